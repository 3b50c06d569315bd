-- name: insert_verdicts
INSERT INTO verdicts (run_id, tenant, attempt_id, validator, passed, score, message, evidence, created_at)
SELECT $1, $2, $3, v.validator, v.passed, v.score, v.message, v.evidence, clock_timestamp()
FROM unnest($4::text[], $5::boolean[], $6::float8[], $7::text[], $8::jsonb[])
     AS v (validator, passed, score, message, evidence)
ON CONFLICT (attempt_id, validator) DO NOTHING;

-- name: list_verdicts
SELECT * FROM verdicts WHERE run_id = $1 ORDER BY created_at, attempt_id, validator;
