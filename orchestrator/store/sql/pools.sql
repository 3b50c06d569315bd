-- name: pool_loads
-- $1 pools, $2 and $3 host and pid of the processes that are asked about, $4 seconds of silence after which one counts as
-- dead, $5 how many queued attempts of a pool are counted at the most: nobody scales by more, and each costs a look at its run.
WITH own AS (
    SELECT p.id, p.pools
    FROM processes p
    JOIN unnest($2::text[], $3::int[]) AS asked (host, pid) USING (host, pid)
    WHERE p.kind = 'worker' AND p.heartbeat_at > clock_timestamp() - make_interval(secs => $4)
), held AS (
    SELECT a.pool, count(*) AS running
    FROM attempts a
    WHERE a.status = 'running' AND a.process IN (SELECT id FROM own)
    GROUP BY a.pool
)
SELECT asked.pool, due.queued, due.wait, coalesce(held.running, 0) AS running,
       (SELECT count(*) FROM own WHERE asked.pool = ANY (own.pools)) AS serving
FROM unnest($1::text[]) AS asked (pool)
CROSS JOIN LATERAL (
    SELECT count(*) AS queued, coalesce(extract(epoch FROM now() - min(first.not_before)), 0)::float8 AS wait
    FROM (
        SELECT a.not_before
        FROM attempts a
        WHERE a.status = 'queued' AND a.pool = asked.pool AND a.not_before <= now()
          AND (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = a.run_id)
        LIMIT $5
    ) AS first
) AS due
LEFT JOIN held USING (pool);

-- name: engaged_members
-- $1 and $2 host and pid of the processes that are asked about, $3 seconds: those that hold an attempt which has run longer.
SELECT DISTINCT p.host, p.pid
FROM attempts a
JOIN processes p ON p.id = a.process
JOIN unnest($1::text[], $2::int[]) AS asked (host, pid) ON asked.host = p.host AND asked.pid = p.pid
WHERE a.status = 'running' AND a.claimed_at < now() - make_interval(secs => $3);
