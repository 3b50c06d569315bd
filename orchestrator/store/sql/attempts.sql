-- name: renew_leases
-- Locked in the order of ids, as everywhere, so that no two statements can wait for each other.
WITH mine AS (
    SELECT id FROM attempts
    WHERE id = ANY ($3::uuid[]) AND process = $1 AND status = 'running'
    ORDER BY id
    FOR UPDATE
)
UPDATE attempts a
SET lease_until = now() + make_interval(secs => $2)
FROM mine
WHERE a.id = mine.id
RETURNING a.id, a.cancel_requested;

-- name: settle_attempts
-- $1 attempts, $2 tokens, $3 statuses, $4 outputs, $5 errors, $6 … $9 usage; $10 … $12 blobs, each with its attempt; then
-- the columns of the events. Everything hangs on `held`: of an attempt without it nothing is written but `late`. Locks are
-- taken in the order attempts, blobs, inbox, events, and of each in the order of its key.
-- `repeated` is this very outcome, stored before by a call whose answer was lost.
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::bytea[], $5::jsonb[], $6::bigint[], $7::bigint[],
                         $8::float8[], $9::int[]) WITH ORDINALITY
         AS given (id, token, status, output, error, input_tokens, output_tokens, cost_usd, model_calls, place)
), locked AS MATERIALIZED (
    SELECT a.id
    FROM attempts a
    JOIN given ON given.id = a.id AND given.token = a.token
    WHERE a.status = 'running'
    ORDER BY a.id
    FOR UPDATE OF a
), held AS (
    UPDATE attempts a
    SET status = given.status, output = given.output, error = given.error, finished_at = clock_timestamp(),
        lease_until = NULL, input_tokens = given.input_tokens, output_tokens = given.output_tokens,
        cost_usd = given.cost_usd, model_calls = given.model_calls
    FROM given
    JOIN locked USING (id)
    WHERE a.id = given.id
    RETURNING a.id, a.run_id, a.tenant
), repeated AS (
    SELECT a.id
    FROM attempts a
    JOIN given ON given.id = a.id AND given.token = a.token
    WHERE NOT a.superseded AND a.status = given.status AND a.output IS NOT DISTINCT FROM given.output
), late AS (
    UPDATE attempts a
    SET superseded = true, input_tokens = given.input_tokens, output_tokens = given.output_tokens,
        cost_usd = given.cost_usd, model_calls = given.model_calls
    FROM given
    WHERE a.id = given.id AND a.token = given.token AND NOT a.superseded
      AND NOT EXISTS (SELECT FROM held WHERE held.id = given.id)
      AND NOT EXISTS (SELECT FROM repeated WHERE repeated.id = given.id)
    RETURNING a.id, a.run_id
), blob AS (
    INSERT INTO blobs (tenant, sha256, size, data)
    SELECT DISTINCT ON (held.tenant, new.sha256) held.tenant, new.sha256, length(new.data), new.data
    FROM held
    JOIN unnest($10::uuid[], $11::bytea[], $12::bytea[]) AS new (attempt_id, sha256, data) ON new.attempt_id = held.id
    WHERE NOT EXISTS (
        SELECT FROM blobs b
        WHERE b.tenant = held.tenant AND b.sha256 = new.sha256 AND b.put_at > now() - interval '1 hour'
    )
    ORDER BY held.tenant, new.sha256
    ON CONFLICT (tenant, sha256) DO UPDATE SET put_at = now()
), told AS (
    -- What came too late is not used, but what it cost is charged to the run's budget.
    INSERT INTO inbox (run_id, kind, attempt_id, payload)
    SELECT ended.run_id, 'outcome', ended.id, ended.payload
    FROM (
        SELECT id, run_id, NULL::jsonb AS payload FROM held
        UNION ALL
        SELECT id, run_id, '{"late": true}' FROM late
    ) AS ended
    WHERE (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = ended.run_id)
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data, key)
    SELECT e.*
    FROM held
    JOIN unnest($13::uuid[], $14::text[], $15::text[], $16::text[], $17::int[], $18::uuid[], $19::jsonb[], $20::text[])
         AS e (run_id, tenant, kind, step, item, attempt_id, data, key) ON e.attempt_id = held.id
    ON CONFLICT (run_id, key) DO NOTHING
)
SELECT given.id, r.owner,
       EXISTS (SELECT FROM held WHERE held.id = given.id) OR EXISTS (SELECT FROM repeated WHERE repeated.id = given.id)
       AS held
FROM given
JOIN attempts a ON a.id = given.id
JOIN runs r ON r.id = a.run_id;

-- name: record_heartbeat
UPDATE attempts
SET heartbeat = coalesce($3::jsonb, heartbeat), progress = coalesce($4, progress), heartbeat_at = now()
WHERE id = $1 AND token = $2 AND status = 'running'
RETURNING id;

-- name: expire_leases
-- Skips what a worker is settling at this moment. A process that was reaped has had its leases ended.
WITH ended AS (
    SELECT id FROM attempts
    WHERE status = 'running' AND lease_until < now()
    ORDER BY lease_until
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), lost AS (
    UPDATE attempts a
    SET status = 'lost', finished_at = clock_timestamp(), error = jsonb_build_object(
            'code', 'worker_lost', 'class', 'worker_lost',
            'message', 'the process that held the attempt did not renew its lease',
            'detail', format('process %s, lease until %s', a.process, a.lease_until))
    FROM ended
    WHERE a.id = ended.id
    RETURNING a.*
), told AS (
    INSERT INTO inbox (run_id, kind, attempt_id)
    SELECT run_id, 'outcome', id FROM lost
    WHERE (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = lost.run_id)
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data)
    SELECT run_id, tenant, $2, step, item, id, jsonb_build_object(
        'worker', worker, 'number', number, 'purpose', purpose, 'validator', validator, 'status', status,
        'duration', extract(epoch FROM finished_at - claimed_at), 'input_tokens', 0, 'output_tokens', 0,
        'cost_usd', NULL, 'error', error)
    FROM lost
)
SELECT r.id AS run_id, r.owner FROM runs r WHERE r.id IN (SELECT run_id FROM lost);

-- name: cancel_attempts
-- What nobody has begun is cancelled at once: what is queued, and what a person was asked. A child run is asked to cancel
-- itself, and its attempt goes on to wait for its end. $5 is the worker that stands for a child run. Where single attempts
-- ($3) of a run that goes on are cancelled at once, its supervisor is told of those that hold a part of its budget.
WITH open AS (
    SELECT id FROM attempts
    WHERE run_id = $1 AND status IN ('queued', 'waiting', 'running')
      AND ($2::text IS NULL OR step = $2) AND ($3::uuid[] IS NULL OR id = ANY ($3))
    ORDER BY id
    FOR UPDATE
), cancelled AS (
    UPDATE attempts a
    SET cancel_requested = true,
        status = CASE WHEN a.status = 'running' OR a.worker = $5 AND a.status = 'waiting' THEN a.status
                      ELSE 'cancelled' END,
        finished_at = CASE WHEN a.status = 'running' OR a.worker = $5 AND a.status = 'waiting' THEN NULL
                           ELSE clock_timestamp() END
    FROM open
    WHERE a.id = open.id
    RETURNING a.*
), children AS (
    SELECT r.id, r.owner
    FROM cancelled c
    JOIN runs r ON r.id = c.id
    WHERE c.status = 'waiting' AND r.finished_at IS NULL
), asked AS (
    INSERT INTO inbox (run_id, kind)
    SELECT id, 'cancel' FROM children
    WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.run_id = children.id AND i.kind = 'cancel')
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data)
    SELECT run_id, tenant, $4, step, item, id, jsonb_build_object(
        'worker', worker, 'number', number, 'purpose', purpose, 'validator', validator, 'status', status,
        'duration', 0, 'input_tokens', 0, 'output_tokens', 0, 'cost_usd', NULL)
    FROM cancelled
    WHERE status = 'cancelled'
), told AS (
    INSERT INTO inbox (run_id, kind, attempt_id)
    SELECT run_id, 'outcome', id FROM cancelled
    WHERE status = 'cancelled' AND $3::uuid[] IS NOT NULL AND options ? 'reserved'
    RETURNING run_id
)
SELECT process, run_id FROM cancelled WHERE status = 'running' AND process IS NOT NULL
UNION
SELECT owner, id FROM children
UNION
SELECT r.owner, r.id FROM runs r WHERE r.id IN (SELECT run_id FROM told);

-- name: list_attempts
SELECT * FROM attempts WHERE run_id = $1 AND tenant = $2 ORDER BY step, item, number, purpose DESC, validator;

-- name: due_attempts
SELECT a.pool, count(*) AS due
FROM attempts a
WHERE a.status = 'queued' AND a.not_before <= now()
  AND (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = a.run_id)
GROUP BY a.pool;

-- name: count_running
SELECT count(*) FROM attempts WHERE run_id = $1 AND status IN ('waiting', 'running');

-- name: settle_child
-- The attempt that the run $1 carried out for its parent ends as the run did, unless it has ended already; $2 is the
-- error as the parent sees it, $3 the kind of the event.
WITH ended AS (
    UPDATE attempts a
    SET status = r.status, output = r.output, error = $2::jsonb, claimed_at = r.started_at, finished_at = r.finished_at,
        input_tokens = r.input_tokens, output_tokens = r.output_tokens, cost_usd = r.cost_usd
    FROM runs r
    WHERE r.id = $1 AND r.finished_at IS NOT NULL AND a.id = r.id AND a.status = 'waiting'
    RETURNING a.*
), told AS (
    INSERT INTO inbox (run_id, kind, attempt_id)
    SELECT run_id, 'outcome', id FROM ended
    WHERE (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = ended.run_id)
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data)
    SELECT run_id, tenant, $3, step, item, id, jsonb_build_object(
        'worker', worker, 'number', number, 'purpose', purpose, 'validator', validator, 'status', status,
        'duration', extract(epoch FROM finished_at - claimed_at), 'input_tokens', input_tokens,
        'output_tokens', output_tokens, 'cost_usd', cost_usd, 'error', error)
    FROM ended
)
SELECT r.owner, r.id AS run_id FROM runs r WHERE r.id = (SELECT run_id FROM ended) AND r.finished_at IS NULL;
