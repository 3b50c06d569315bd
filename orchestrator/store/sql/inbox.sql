-- name: read_inbox
SELECT i.id, i.kind, i.attempt_id, i.payload,
       a.step, a.item, a.number, a.purpose, a.validator, a.judges, a.worker, a.status, a.output, b.size AS output_size,
       a.error, a.input_tokens, a.output_tokens, a.cost_usd, a.model_calls, a.queued_at, a.claimed_at, a.finished_at
FROM inbox i
LEFT JOIN attempts a ON a.id = i.attempt_id
LEFT JOIN blobs b ON b.tenant = a.tenant AND b.sha256 = a.output
WHERE i.run_id = $1
ORDER BY i.id
LIMIT $2;

-- name: unread_of
-- One look at the index for each run, however long its inbox is.
SELECT run.run_id
FROM unnest($1::uuid[]) AS run (run_id)
WHERE EXISTS (SELECT FROM inbox i WHERE i.run_id = run.run_id);
