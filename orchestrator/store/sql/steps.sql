-- name: list_steps
SELECT * FROM steps WHERE run_id = $1 AND tenant = $2 ORDER BY position, step;

-- name: end_open_steps
UPDATE steps SET status = 'cancelled', reason = $2, finished_at = now()
WHERE run_id = $1 AND status IN ('waiting', 'running');
