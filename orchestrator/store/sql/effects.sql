-- name: lock_held
-- Nobody can declare the attempt lost before this transaction ends.
SELECT 1 FROM attempts WHERE id = $1 AND token = $2 AND status = 'running' FOR SHARE;

-- name: claim_effect
INSERT INTO effects (run_id, step, item, key, tenant, attempt_id, state)
VALUES ($1, $2, $3, $4, $5, $6, 'claimed')
ON CONFLICT DO NOTHING
RETURNING key;

-- name: get_effect
SELECT state, result FROM effects WHERE run_id = $1 AND step = $2 AND item = $3 AND key = $4;

-- name: confirm_effect
UPDATE effects
SET state = 'confirmed', result = $6::jsonb, confirmed_at = now()
WHERE run_id = $1 AND step = $2 AND item = $3 AND key = $4 AND attempt_id = $5
RETURNING key;
