-- How many jobs of each entrypoint may be picked now. $1: entrypoints.
SELECT entrypoint, count(*) AS jobs
FROM orchestrator.pgqueuer
WHERE entrypoint = ANY ($1::text[]) AND status = 'queued' AND execute_after <= now()
GROUP BY entrypoint;
