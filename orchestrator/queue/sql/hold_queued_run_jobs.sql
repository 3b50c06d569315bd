-- Which of these runs have a queued job already. The lock keeps that job from being picked before the caller's
-- commit, so that whoever picks it sees what the caller wrote. Who is just picking one is not waited for (the
-- caller then queues another), and SHARE lets several callers agree on one job: nobody ever waits, so nobody
-- deadlocks. PgQueuer's dedupe key would also refuse while a job is picked, even by a process that was killed,
-- and makes enqueuers wait for each other. $1: payloads.
SELECT payload
FROM orchestrator.pgqueuer
WHERE entrypoint = 'run' AND status = 'queued' AND payload = ANY ($1::bytea[])
FOR SHARE SKIP LOCKED;
