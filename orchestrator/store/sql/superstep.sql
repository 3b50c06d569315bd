-- name: write_superstep
-- All that the owner of the run $1 with the epoch $2 writes in one superstep, for the tenant $3: $4 inbox rows that go,
-- then the columns of blobs, attempts, steps, verdicts and events. Nothing is written without the run's row in `owned`,
-- which stays locked until the transaction has ended, so that nobody can take the run over before. What is there
-- already is left as it is, except for steps, so that a repetition is harmless.
WITH owned AS (
    SELECT 1 FROM runs WHERE id = $1 AND epoch = $2 FOR SHARE
), consumed AS (
    DELETE FROM inbox i USING owned WHERE i.id = ANY ($4::bigint[])
), put AS (
    -- See `put_blobs`.
    INSERT INTO blobs (tenant, sha256, size, data)
    SELECT $3, new.sha256, length(new.data), new.data
    FROM owned, unnest($5::bytea[], $6::bytea[]) AS new (sha256, data)
    WHERE NOT EXISTS (
        SELECT FROM blobs b WHERE b.tenant = $3 AND b.sha256 = new.sha256 AND b.put_at > now() - interval '1 hour'
    )
    ORDER BY new.sha256
    ON CONFLICT (tenant, sha256) DO UPDATE SET put_at = now()
), ordered AS (
    -- What is in no pool waits for a person or a child run.
    INSERT INTO attempts (run_id, tenant, id, step, item, number, purpose, validator, judges, worker, pool, priority,
                          input, options, idempotency_key, traceparent, timeout, idle, not_before, status)
    SELECT $1, $3, id, step, item, number, purpose, validator, judges, worker, pool, priority,
           input, options, idempotency_key, traceparent, timeout, idle, now() + make_interval(secs => delay),
           CASE pool WHEN '' THEN 'waiting' ELSE 'queued' END
    FROM owned, unnest($7::uuid[], $8::text[], $9::int[], $10::int[], $11::text[], $12::text[], $13::uuid[],
                       $14::text[], $15::text[], $16::int[], $17::bytea[], $18::jsonb[], $19::text[], $20::text[],
                       $21::float8[], $22::float8[], $23::float8[])
         AS new (id, step, item, number, purpose, validator, judges, worker, pool, priority,
                 input, options, idempotency_key, traceparent, timeout, idle, delay)
    ON CONFLICT DO NOTHING
), stand AS (
    INSERT INTO steps (run_id, tenant, step, position, kind, worker, pool, status, reason, items_total, items_done,
                       items_failed, attempts, output, error, started_at, finished_at)
    SELECT $1, $3, step, position, kind, worker, pool, status, reason, items_total, items_done,
           items_failed, attempts, output, error, to_timestamp(started_at), to_timestamp(finished_at)
    FROM owned, unnest($24::text[], $25::int[], $26::text[], $27::text[], $28::text[], $29::text[], $30::text[],
                       $31::int[], $32::int[], $33::int[], $34::int[], $35::bytea[], $36::jsonb[], $37::float8[],
                       $38::float8[])
         AS new (step, position, kind, worker, pool, status, reason, items_total, items_done,
                 items_failed, attempts, output, error, started_at, finished_at)
    ON CONFLICT (run_id, step) DO UPDATE SET
        position = excluded.position, kind = excluded.kind, worker = excluded.worker, pool = excluded.pool,
        status = excluded.status, reason = excluded.reason, items_total = excluded.items_total,
        items_done = excluded.items_done, items_failed = excluded.items_failed, attempts = excluded.attempts,
        output = excluded.output, error = excluded.error,
        started_at = excluded.started_at, finished_at = excluded.finished_at
), judged AS (
    INSERT INTO verdicts (run_id, tenant, attempt_id, validator, passed, score, message, evidence, created_at)
    SELECT $1, $3, attempt_id, validator, passed, score, message, evidence, clock_timestamp()
    FROM owned, unnest($39::uuid[], $40::text[], $41::boolean[], $42::float8[], $43::text[], $44::jsonb[])
         AS new (attempt_id, validator, passed, score, message, evidence)
    ON CONFLICT (attempt_id, validator) DO NOTHING
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data, key)
    SELECT new.*
    FROM owned, unnest($45::uuid[], $46::text[], $47::text[], $48::text[], $49::int[], $50::uuid[], $51::jsonb[],
                       $52::text[]) AS new
    ON CONFLICT (run_id, key) DO NOTHING
)
SELECT 1 FROM owned;
