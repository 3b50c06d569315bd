-- name: list_steps
SELECT * FROM steps WHERE run_id = $1 ORDER BY position, step;
