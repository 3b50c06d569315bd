-- name: write_supersteps
-- All that the owners of the runs $1 with the epochs $2 write in one superstep each: $3 inbox rows that go, then the columns
-- of blobs, attempts, steps, verdicts, events, checkpoints, channel values and checkpoint writes, each beginning with the
-- run. Nothing of a run is written without its row in `owned`, which stays locked until the transaction has ended, so that
-- nobody can take the run over before. What is there already is left as it is, except for steps, so that a repetition is
-- harmless. Rows are locked in the order of their keys, as everywhere. The answer is the runs that are owned.
WITH owned AS MATERIALIZED (
    SELECT r.id, r.tenant
    FROM runs r
    JOIN unnest($1::uuid[], $2::bigint[]) AS given (id, epoch) ON r.id = given.id AND r.epoch = given.epoch
    ORDER BY r.id
    FOR SHARE OF r
), consumed AS (
    DELETE FROM inbox i USING owned WHERE i.run_id = owned.id AND i.id = ANY ($3::bigint[])
), put AS (
    -- See `put_blobs`.
    INSERT INTO blobs (tenant, sha256, size, data)
    SELECT DISTINCT ON (owned.tenant, new.sha256) owned.tenant, new.sha256, length(new.data), new.data
    FROM owned
    JOIN unnest($4::uuid[], $5::bytea[], $6::bytea[]) AS new (run_id, sha256, data) ON new.run_id = owned.id
    WHERE NOT EXISTS (
        SELECT FROM blobs b
        WHERE b.tenant = owned.tenant AND b.sha256 = new.sha256 AND b.put_at > now() - interval '1 hour'
    )
    ORDER BY owned.tenant, new.sha256
    ON CONFLICT (tenant, sha256) DO UPDATE SET put_at = now()
), ordered AS (
    -- What is in no pool waits for a person or a child run.
    INSERT INTO attempts (run_id, tenant, id, step, item, number, purpose, validator, judges, worker, pool, priority,
                          input, options, idempotency_key, traceparent, timeout, idle, rate_key, not_before, status)
    SELECT owned.id, owned.tenant, new.id, step, item, number, purpose, validator, judges, worker, pool, priority,
           input, options, idempotency_key, traceparent, timeout, idle, options -> 'rate' ->> 'key',
           now() + make_interval(secs => delay),
           CASE pool WHEN '' THEN 'waiting' ELSE 'queued' END
    FROM owned
    JOIN unnest($7::uuid[], $8::uuid[], $9::text[], $10::int[], $11::int[], $12::text[], $13::text[], $14::uuid[],
                $15::text[], $16::text[], $17::int[], $18::bytea[], $19::jsonb[], $20::text[], $21::text[],
                $22::float8[], $23::float8[], $24::float8[])
         AS new (run_id, id, step, item, number, purpose, validator, judges, worker, pool, priority,
                 input, options, idempotency_key, traceparent, timeout, idle, delay) ON new.run_id = owned.id
    ON CONFLICT DO NOTHING
), stand AS (
    INSERT INTO steps (run_id, tenant, step, position, kind, worker, pool, status, reason, items_total, items_done,
                       items_failed, attempts, output, error, dead, reused_from, started_at, finished_at)
    SELECT owned.id, owned.tenant, step, position, kind, worker, pool, status, reason, items_total, items_done,
           items_failed, attempts, output, error, dead, reused_from, to_timestamp(started_at), to_timestamp(finished_at)
    FROM owned
    JOIN unnest($25::uuid[], $26::text[], $27::int[], $28::text[], $29::text[], $30::text[], $31::text[], $32::text[],
                $33::int[], $34::int[], $35::int[], $36::int[], $37::bytea[], $38::jsonb[], $39::boolean[],
                $40::uuid[], $41::float8[], $42::float8[])
         AS new (run_id, step, position, kind, worker, pool, status, reason, items_total, items_done,
                 items_failed, attempts, output, error, dead, reused_from, started_at, finished_at) ON new.run_id = owned.id
    ON CONFLICT (run_id, step) DO UPDATE SET
        position = excluded.position, kind = excluded.kind, worker = excluded.worker, pool = excluded.pool,
        status = excluded.status, reason = excluded.reason, items_total = excluded.items_total,
        items_done = excluded.items_done, items_failed = excluded.items_failed, attempts = excluded.attempts,
        output = excluded.output, error = excluded.error, dead = excluded.dead, reused_from = excluded.reused_from,
        started_at = excluded.started_at, finished_at = excluded.finished_at
), judged AS (
    INSERT INTO verdicts (run_id, tenant, attempt_id, validator, passed, score, message, evidence, created_at)
    SELECT owned.id, owned.tenant, attempt_id, validator, passed, score, message, evidence, clock_timestamp()
    FROM owned
    JOIN unnest($43::uuid[], $44::uuid[], $45::text[], $46::boolean[], $47::float8[], $48::text[], $49::jsonb[])
         AS new (run_id, attempt_id, validator, passed, score, message, evidence) ON new.run_id = owned.id
    ON CONFLICT (attempt_id, validator) DO NOTHING
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data, key)
    SELECT new.*
    FROM owned
    JOIN unnest($50::uuid[], $51::text[], $52::text[], $53::text[], $54::int[], $55::uuid[], $56::jsonb[], $57::text[])
         AS new (run_id, tenant, kind, step, item, attempt_id, data, key) ON new.run_id = owned.id
    ON CONFLICT (run_id, key) DO NOTHING
), checkpointed AS (
    INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
    SELECT owned.id::text, '', new.checkpoint_id, parent_id, checkpoint::jsonb, metadata::jsonb
    FROM owned
    JOIN unnest($58::uuid[], $59::text[], $60::text[], $61::text[], $62::text[])
         AS new (run_id, checkpoint_id, parent_id, checkpoint, metadata) ON new.run_id = owned.id
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
    DO UPDATE SET checkpoint = excluded.checkpoint, metadata = excluded.metadata
), valued AS (
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, data)
    SELECT owned.id::text, '', channel, version, type, data
    FROM owned
    JOIN unnest($63::uuid[], $64::text[], $65::text[], $66::text[], $67::bytea[])
         AS new (run_id, channel, version, type, data) ON new.run_id = owned.id
    ON CONFLICT DO NOTHING
), written AS (
    INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, data)
    SELECT owned.id::text, '', new.checkpoint_id, task_id, task_path, idx, channel, type, data
    FROM owned
    JOIN unnest($68::uuid[], $69::text[], $70::text[], $71::text[], $72::int[], $73::text[], $74::text[], $75::bytea[])
         AS new (run_id, checkpoint_id, task_id, task_path, idx, channel, type, data) ON new.run_id = owned.id
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO NOTHING
)
SELECT id FROM owned;

-- name: fence_runs
-- Which of the runs $1 have the epochs $2; what has is locked as `write_supersteps` locks it.
SELECT r.id
FROM runs r
JOIN unnest($1::uuid[], $2::bigint[]) AS given (id, epoch) ON r.id = given.id AND r.epoch = given.epoch
ORDER BY r.id
FOR SHARE OF r;
