-- PgQueuer logs three rows a job and never deletes them. A batch at a time, oldest first, so that no statement
-- holds many locks for long. $1: age in seconds, $2: rows in a batch.
DELETE FROM orchestrator.pgqueuer_log
WHERE id IN (
    SELECT id
    FROM orchestrator.pgqueuer_log
    WHERE created < now() - make_interval(secs => $1)
    ORDER BY created
    LIMIT $2
);
