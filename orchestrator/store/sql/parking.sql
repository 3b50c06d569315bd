-- name: park_run
-- The run $1 waits in its rows alone, until something is in its inbox or until $3 (Unix seconds, NULL for never). Refuses
-- while the inbox is not empty: the answer is whether it is parked, no row where its epoch is not $2 any more.
WITH held AS (
    SELECT id FROM runs WHERE id = $1 AND epoch = $2 AND finished_at IS NULL FOR NO KEY UPDATE
), parked AS (
    UPDATE runs r
    SET parked = true, wake_at = to_timestamp($3::float8), owner = NULL
    FROM held
    WHERE r.id = held.id AND NOT EXISTS (SELECT FROM inbox i WHERE i.run_id = held.id)
    RETURNING r.id
)
SELECT EXISTS (SELECT FROM parked) AS parked FROM held;

-- name: take_runs
-- As `take_ownership`, for the runs $1 at once; locked in the order of ids, as everywhere.
WITH free AS (
    SELECT id FROM runs
    WHERE id = ANY ($1::uuid[]) AND finished_at IS NULL
      AND (owner IS NULL OR NOT EXISTS (
          SELECT FROM processes p
          WHERE p.id = runs.owner AND p.heartbeat_at > clock_timestamp() - make_interval(secs => $3)
      ))
    ORDER BY id
    FOR NO KEY UPDATE
)
UPDATE runs r
SET owner = $2,
    epoch = epoch + 1,
    status = CASE status WHEN 'queued' THEN 'running' ELSE status END,
    started_at = coalesce(started_at, now()),
    parked = false,
    wake_at = NULL
FROM free
WHERE r.id = free.id
RETURNING r.*;

-- name: unowned_runs
SELECT id, priority FROM runs WHERE id = ANY ($1::uuid[]) AND owner IS NULL AND finished_at IS NULL;

-- name: release_runs
-- Locked in the order of ids, as everywhere.
WITH held AS (
    SELECT r.id, r.priority
    FROM runs r
    JOIN unnest($1::uuid[], $2::bigint[]) AS given (id, epoch) ON r.id = given.id AND r.epoch = given.epoch
    WHERE r.finished_at IS NULL AND r.owner IS NOT NULL
    ORDER BY r.id
    FOR NO KEY UPDATE OF r
)
UPDATE runs r SET owner = NULL FROM held WHERE r.id = held.id RETURNING r.id, r.priority;
