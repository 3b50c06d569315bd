-- name: upsert_steps
INSERT INTO steps (run_id, step, tenant, position, kind, worker, pool, status, reason, items_total, items_done,
                   items_failed, attempts, output, error, started_at, finished_at)
SELECT run_id, step, tenant, position, kind, worker, pool, status, reason, items_total, items_done,
       items_failed, attempts, output, error, to_timestamp(started_at), to_timestamp(finished_at)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::int[], $11::int[], $12::int[], $13::int[], $14::bytea[], $15::jsonb[],
            $16::float8[], $17::float8[])
     AS row (run_id, step, tenant, position, kind, worker, pool, status, reason, items_total, items_done,
             items_failed, attempts, output, error, started_at, finished_at)
ORDER BY run_id, step
ON CONFLICT (run_id, step) DO UPDATE SET
    position = excluded.position, kind = excluded.kind, worker = excluded.worker, pool = excluded.pool,
    status = excluded.status, reason = excluded.reason, items_total = excluded.items_total,
    items_done = excluded.items_done, items_failed = excluded.items_failed, attempts = excluded.attempts,
    output = excluded.output, error = excluded.error,
    started_at = excluded.started_at, finished_at = excluded.finished_at;

-- name: list_steps
SELECT * FROM steps WHERE run_id = $1 ORDER BY position, step;
