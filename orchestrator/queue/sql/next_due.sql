-- How long until the next queued job of the entrypoint may be picked: negative when one may be now, NULL when none
-- is queued. One probe of the (entrypoint, execute_after) index. $1: entrypoint.
SELECT extract(epoch FROM min(execute_after) - now())::float8 AS seconds
FROM orchestrator.pgqueuer
WHERE entrypoint = $1 AND status = 'queued';
