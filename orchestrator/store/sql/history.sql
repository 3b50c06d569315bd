-- name: step_history
-- `runs_by_workflow` gives the newest runs; everything else is read by run. Forks have not done all of their steps.
WITH recent AS (
    SELECT id FROM runs
    WHERE tenant = $1 AND workflow = $2 AND status = 'succeeded' AND forked_from IS NULL
    ORDER BY created_at DESC
    LIMIT $3
)
SELECT s.step, s.worker, count(*) AS runs,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM s.finished_at - s.started_at)::float8) AS seconds,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY s.items_total) AS items,
       avg(used.attempts)::float8 AS attempts,
       avg(used.input_tokens)::float8 AS input_tokens,
       avg(used.output_tokens)::float8 AS output_tokens,
       avg(used.cost_usd) AS cost_usd
FROM recent
JOIN steps s ON s.run_id = recent.id AND s.status = 'succeeded'
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE a.purpose = 'work') AS attempts,
           coalesce(sum(a.input_tokens), 0) AS input_tokens,
           coalesce(sum(a.output_tokens), 0) AS output_tokens,
           sum(a.cost_usd) AS cost_usd
    FROM attempts a WHERE a.run_id = s.run_id AND a.step = s.step
) AS used
GROUP BY s.step, s.worker;

-- name: worker_costs
-- What attempts of some workers have cost, over the newest runs: `runs_by_tenant` bounds what is read. An attempt that
-- called no model costs nothing; one whose tokens have no known price says nothing.
WITH recent AS (
    SELECT id FROM runs WHERE tenant = $1 ORDER BY created_at DESC LIMIT $3
)
SELECT a.worker,
       avg(CASE WHEN a.input_tokens + a.output_tokens = 0 THEN 0 ELSE a.cost_usd END)::float8 AS cost_usd
FROM recent
JOIN attempts a ON a.run_id = recent.id
WHERE a.worker = ANY($2::text[]) AND a.status = 'succeeded'
GROUP BY a.worker;
