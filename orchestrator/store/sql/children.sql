-- name: list_children
SELECT * FROM runs WHERE parent_run = $1 AND tenant = $2 ORDER BY created_at, id;

-- name: list_top_runs
SELECT * FROM runs
WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR status = $2) AND parent_run IS NULL
ORDER BY created_at DESC
LIMIT $3;
