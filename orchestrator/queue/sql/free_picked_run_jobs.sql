-- A dedupe key blocks while its job is picked, also by a process that was killed. Taking the key from picked jobs
-- leaves at most one *queued* job a run and never refuses a wanted one. SKIP LOCKED: who is just picking,
-- heartbeating or ending such a job is not waited for. $1: dedupe keys.
UPDATE orchestrator.pgqueuer
SET dedupe_key = NULL
WHERE id IN (
    SELECT id
    FROM orchestrator.pgqueuer
    WHERE dedupe_key = ANY ($1::text[]) AND status = 'picked'
    FOR UPDATE SKIP LOCKED
);
