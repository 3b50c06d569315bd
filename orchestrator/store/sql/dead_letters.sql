-- name: list_dead_runs
-- The partial index `steps_dead` holds the few steps that are dead letters.
SELECT r.*
FROM runs r
WHERE r.status = 'failed' AND ($1::text IS NULL OR r.tenant = $1)
  AND r.id IN (SELECT s.run_id FROM steps s WHERE s.dead)
ORDER BY r.created_at DESC
LIMIT $2;
