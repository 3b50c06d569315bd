-- name: list_notes
SELECT id, run_id, tenant, kind, step, item, attempt_id, data, coalesce(key, '') AS key, at
FROM events
WHERE run_id = $1 AND tenant = $2 AND kind = ANY ($3::text[])
ORDER BY at, id;
