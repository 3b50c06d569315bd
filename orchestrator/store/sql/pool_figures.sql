-- name: pool_figures
-- How every pool stands that somebody serves, that has attempts, or that is among $3: what waits and for how long, what runs,
-- how long what was claimed within the last $1 seconds had waited since it was due, and which processes that were heard of
-- within $2 seconds serve it. Recent claims are found by the index on blocks `attempts_by_claim`.
WITH waiting AS (
    SELECT a.pool, count(*) AS queued, count(*) FILTER (WHERE a.not_before <= now()) AS due,
           extract(epoch FROM now() - min(a.not_before) FILTER (WHERE a.not_before <= now()))::float8 AS oldest
    FROM attempts a
    WHERE a.status = 'queued' AND (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = a.run_id)
    GROUP BY a.pool
), held AS (
    SELECT a.pool, count(*) AS running FROM attempts a WHERE a.status = 'running' GROUP BY a.pool
), waited AS (
    SELECT found.pool, count(*) AS claimed,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY found.seconds) AS p50,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY found.seconds) AS p95
    FROM (
        SELECT a.pool, greatest(0, extract(epoch FROM a.claimed_at - greatest(a.queued_at, a.not_before)))::float8 AS seconds
        FROM attempts a
        WHERE a.claimed_at > now() - make_interval(secs => $1) AND a.pool <> ''
    ) AS found
    GROUP BY found.pool
), serving AS (
    SELECT served.pool, count(*) AS processes, sum(p.slots)::int AS slots
    FROM processes p
    CROSS JOIN LATERAL unnest(p.pools) AS served (pool)
    WHERE p.kind = 'worker' AND p.heartbeat_at > clock_timestamp() - make_interval(secs => $2)
    GROUP BY served.pool
), known AS (
    SELECT pool FROM waiting
    UNION SELECT pool FROM held
    UNION SELECT pool FROM waited
    UNION SELECT pool FROM serving
    UNION SELECT unnest($3::text[])
)
SELECT known.pool, coalesce(queued, 0) AS queued, coalesce(due, 0) AS due, oldest AS oldest_wait,
       coalesce(running, 0) AS running, coalesce(claimed, 0) AS claimed, p50 AS wait_p50, p95 AS wait_p95,
       coalesce(processes, 0) AS processes, coalesce(slots, 0) AS slots
FROM known
LEFT JOIN waiting USING (pool)
LEFT JOIN held USING (pool)
LEFT JOIN waited USING (pool)
LEFT JOIN serving USING (pool)
ORDER BY known.pool;
