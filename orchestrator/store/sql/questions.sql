-- name: open_questions
-- $1 tenant, $2 a run (then the runs below it count, too) or NULL for all, $3 the worker that stands for a person, $4 how
-- many at the most, $5 the kind of the event that says why a run is paused, $6 and $7 a step and an item, or NULL. The partial index `attempts_waiting` holds the
-- few attempts that wait, `runs_unfinished` the few runs that may be paused.
WITH RECURSIVE family AS (
    SELECT id FROM runs WHERE id = $2 AND tenant = $1
    UNION ALL
    SELECT r.id FROM runs r JOIN family ON r.parent_run = family.id
), asked AS (
    SELECT a.run_id, a.step, a.item, a.id AS attempt_id, a.number, a.queued_at AS asked_at, a.options, b.data AS input,
           NULL::jsonb AS paused
    FROM attempts a
    LEFT JOIN blobs b ON b.tenant = a.tenant AND b.sha256 = a.input
    WHERE a.status = 'waiting' AND a.worker = $3 AND a.tenant = $1 AND NOT a.cancel_requested
      AND ($2::uuid IS NULL OR a.run_id = ANY (ARRAY(SELECT id FROM family)))
      AND ($6::text IS NULL OR a.step = $6) AND ($7::int IS NULL OR a.item = $7)
), paused AS (
    SELECT r.id, '', -1, NULL::uuid, 1, coalesce(why.at, r.created_at), NULL::jsonb, NULL::bytea,
           coalesce(why.data, '{}')
    FROM runs r
    LEFT JOIN LATERAL (
        SELECT e.data, e.at FROM events e
        WHERE e.run_id = r.id AND e.kind = $5
        ORDER BY e.xact DESC, e.id DESC
        LIMIT 1
    ) AS why ON true
    WHERE r.status = 'paused' AND r.finished_at IS NULL AND r.tenant = $1 AND coalesce($6, '') = '' AND $7 IS NULL
      AND ($2::uuid IS NULL OR r.id = ANY (ARRAY(SELECT id FROM family)))
      AND NOT EXISTS (SELECT FROM inbox i WHERE i.run_id = r.id AND i.kind = 'answer')
)
SELECT q.*, r.tenant, r.workflow
FROM (SELECT * FROM asked UNION ALL SELECT * FROM paused) AS q
JOIN runs r ON r.id = q.run_id
WHERE r.finished_at IS NULL
ORDER BY q.asked_at, q.run_id, q.step, q.item
LIMIT $4;

-- name: answer_attempt
-- $1 attempt, $2 tenant, $3 the worker that stands for a person, $4 and $5 the value, $6 the event's kind, $7 its data.
-- The first answer wins: of two, the second waits for the row and finds that the attempt waits no longer. Everything
-- hangs on `held`. Locks are taken in the order attempt, blob, inbox, events, as in `settle_attempt`.
WITH held AS (
    UPDATE attempts a
    SET status = 'succeeded', output = $4, claimed_at = coalesce(a.claimed_at, now()), finished_at = clock_timestamp()
    WHERE a.id = $1 AND a.tenant = $2 AND a.worker = $3 AND a.status = 'waiting' AND NOT a.cancel_requested
      AND coalesce((a.options ->> 'expires_at')::float8, 'infinity') > extract(epoch FROM clock_timestamp())
      AND (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = a.run_id)
    RETURNING a.id, a.run_id, a.tenant, a.step, a.item
), blob AS (
    -- See `put_blobs`.
    INSERT INTO blobs (tenant, sha256, size, data)
    SELECT $2, $4::bytea, length($5::bytea), $5
    FROM held
    WHERE NOT EXISTS (
        SELECT FROM blobs b WHERE b.tenant = $2 AND b.sha256 = $4 AND b.put_at > now() - interval '1 hour'
    )
    ON CONFLICT (tenant, sha256) DO UPDATE SET put_at = now()
), told AS (
    INSERT INTO inbox (run_id, kind, attempt_id)
    SELECT run_id, 'outcome', id FROM held
), noted AS (
    INSERT INTO events (run_id, tenant, kind, step, item, attempt_id, data, key)
    SELECT run_id, tenant, $6, step, item, id, $7::jsonb, $6 || '/' || id FROM held
    ON CONFLICT (run_id, key) DO NOTHING
)
SELECT r.owner FROM held JOIN runs r ON r.id = held.run_id;

-- name: lock_run
-- Two that answer for one run come one after the other, and none while its owner writes.
SELECT status, owner FROM runs WHERE id = $1 AND tenant = $2 FOR NO KEY UPDATE;

-- name: answer_budget
-- After `lock_run`, in its transaction: $1 run, $2 tenant, $3 what goes into the inbox, $4 the event's kind.
WITH told AS (
    INSERT INTO inbox (run_id, kind, payload)
    SELECT $1, 'answer', $3::jsonb
    WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.run_id = $1 AND i.kind = 'answer')
    RETURNING run_id
), noted AS (
    INSERT INTO events (run_id, tenant, kind, data)
    SELECT run_id, $2, $4, $3::jsonb FROM told
)
SELECT 1 FROM told;

-- name: question_fate
-- What became of the last question that the step $3 (and its item $4, unless NULL) of a run asked; $5 as above, $6 the
-- kind of the event that says who answered it.
SELECT r.status AS run_status, r.finished_at IS NOT NULL AS ended, a.status, a.finished_at, a.cancel_requested,
       coalesce((a.options ->> 'expires_at')::float8 <= extract(epoch FROM clock_timestamp()), false) AS expired, e.data ->> 'by' AS by
FROM runs r
LEFT JOIN LATERAL (
    SELECT * FROM attempts
    WHERE run_id = r.id AND step = $3 AND ($4::int IS NULL OR item = $4) AND worker = $5
    ORDER BY number DESC, finished_at DESC NULLS FIRST
    LIMIT 1
) AS a ON true
LEFT JOIN events e ON e.run_id = r.id AND e.key = $6 || '/' || a.id
WHERE r.id = $1 AND r.tenant = $2;
