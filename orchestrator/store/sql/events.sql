-- name: append_events
INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data, key)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::uuid[], $7::jsonb[], $8::text[])
ON CONFLICT (run_id, key) DO NOTHING;

-- name: read_events
-- Ordered by the column, not by its text of the same name, in which 1000 comes before 999.
-- $6: the run has ended and nothing can be written to it any more, so that no open transaction is waited for.
SELECT id, xact::text AS xact, run_id, tenant, kind, step, item, attempt_id, data, key, at
FROM events
WHERE run_id = $1 AND tenant = $2
  AND (xact, id) > ($3::text::xid8, $4::bigint)
  AND ($6 OR xact < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY events.xact, events.id
LIMIT $5;
