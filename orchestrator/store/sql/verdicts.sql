-- name: list_verdicts
SELECT * FROM verdicts WHERE run_id = $1 AND tenant = $2 ORDER BY created_at, attempt_id, validator;
