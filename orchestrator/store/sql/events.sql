-- name: append_events
INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data, key)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::uuid[], $7::jsonb[], $8::text[])
ON CONFLICT (run_id, key) DO NOTHING;

-- name: read_events
SELECT id, xact::text AS xact, run_id, tenant, kind, step, item, attempt_id, data, key, at
FROM events
WHERE run_id = $1
  AND (xact, id) > ($2::text::xid8, $3::bigint)
  AND xact < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xact, id
LIMIT $4;
