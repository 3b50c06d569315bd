-- name: read_inboxes
-- Of each of the runs $1 the first $2 rows.
SELECT i.run_id, i.id, i.kind, i.attempt_id, i.payload,
       a.step, a.item, a.number, a.purpose, a.validator, a.judges, a.worker, a.status, a.output, b.size AS output_size,
       a.error, a.input_tokens, a.output_tokens, a.cost_usd, a.model_calls, a.queued_at, a.claimed_at, a.finished_at,
       a.options -> 'reserved' AS reserved
FROM unnest($1::uuid[]) AS run (id)
CROSS JOIN LATERAL (SELECT * FROM inbox WHERE inbox.run_id = run.id ORDER BY inbox.id LIMIT $2) AS i
LEFT JOIN attempts a ON a.id = i.attempt_id
LEFT JOIN blobs b ON b.tenant = a.tenant AND b.sha256 = a.output
ORDER BY i.id;

-- name: unread_of
-- One look at the index for each run, however long its inbox is.
SELECT run.run_id
FROM unnest($1::uuid[]) AS run (run_id)
WHERE EXISTS (SELECT FROM inbox i WHERE i.run_id = run.run_id);
