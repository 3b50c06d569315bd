-- Each query finds rows that break a promise; none may. The name is what is said of them.
-- Workflows whose names end with `_failing` must fail. Judges are attempts with the purpose 'validate'.

-- name: a run has not ended
SELECT id, workflow, status, owner, epoch FROM runs WHERE finished_at IS NULL;

-- name: a run has ended otherwise than it must
SELECT id, workflow, status, error ->> 'message' AS error FROM runs
WHERE finished_at IS NOT NULL AND status <> CASE WHEN workflow LIKE '%\_failing' THEN 'failed' ELSE 'succeeded' END;

-- name: an ended run has an owner
SELECT id, owner FROM runs WHERE finished_at IS NOT NULL AND owner IS NOT NULL;

-- name: an ended run has an open attempt
SELECT a.run_id, a.step, a.item, a.number, a.status FROM attempts a JOIN runs r ON r.id = a.run_id
WHERE r.finished_at IS NOT NULL AND a.status IN ('queued', 'waiting', 'running');

-- name: a lease is held
SELECT id, run_id, process FROM attempts WHERE status = 'running';

-- name: an ended run has an open step
SELECT s.run_id, s.step, s.status FROM steps s JOIN runs r ON r.id = s.run_id
WHERE r.finished_at IS NOT NULL AND s.status IN ('waiting', 'running');

-- name: the same work has succeeded twice
SELECT run_id, step, item, purpose, validator, judges, options -> 'revision' AS revision,
       options -> 'iteration' AS iteration, count(*)
FROM attempts
WHERE status = 'succeeded'
GROUP BY run_id, step, item, purpose, validator, judges, options -> 'revision', options -> 'iteration'
HAVING count(*) > 1;

-- name: an attempt was made after its step had settled
-- Steps settle by the supervisor's clock, attempts are queued by the database's, on one machine.
SELECT a.run_id, a.step, a.item, a.number, a.queued_at, a.claimed_at, s.finished_at
FROM attempts a JOIN steps s USING (run_id, step)
WHERE a.queued_at > s.finished_at + interval '5 ms' OR a.claimed_at > s.finished_at + interval '5 ms';

-- name: an item was tried again after it had been accepted
SELECT later.run_id, later.step, later.item, later.number
FROM attempts a
JOIN attempts later USING (run_id, step, item, purpose)
WHERE a.purpose = 'work' AND a.status = 'succeeded' AND later.number > a.number
  AND coalesce(later.options ->> 'iteration', '1') = coalesce(a.options ->> 'iteration', '1')
  AND NOT EXISTS (SELECT FROM verdicts v WHERE v.attempt_id = a.id AND NOT v.passed);

-- name: attempts are not numbered without gaps
SELECT run_id, step, item, validator, judges, count(*), max(number) FROM attempts
GROUP BY run_id, step, item, purpose, validator, judges HAVING max(number) <> count(*) OR min(number) <> 1;

-- name: two attempts of an item were held at the same time
SELECT a.run_id, a.step, a.item, a.number, later.number AS other
FROM attempts a
JOIN attempts later USING (run_id, step, item, purpose, validator)
WHERE a.judges IS NOT DISTINCT FROM later.judges AND later.number > a.number
  AND later.claimed_at < coalesce(a.finished_at, 'infinity');

-- name: a judged step has succeeded without its judge
SELECT s.run_id, s.step FROM steps s
WHERE s.worker = 'chaos.draft' AND s.status = 'succeeded' AND NOT EXISTS (
    SELECT FROM attempts a JOIN verdicts v ON v.attempt_id = a.id AND v.validator = 'chaos.judge'
    WHERE a.run_id = s.run_id AND a.step = s.step AND v.passed
);

-- name: a verdict is of nothing that a judge has said
SELECT v.run_id, v.attempt_id, v.validator FROM verdicts v
WHERE v.validator = 'chaos.judge'
  AND NOT EXISTS (SELECT FROM attempts j WHERE j.judges = v.attempt_id AND j.status = 'succeeded');

-- name: an inbox is not empty
SELECT i.run_id, i.kind, i.attempt_id, r.status FROM inbox i JOIN runs r ON r.id = i.run_id;

-- name: a step counts other attempts than there are
SELECT s.run_id, s.step, s.attempts, count(a.id) FROM steps s
LEFT JOIN attempts a ON a.run_id = s.run_id AND a.step = s.step AND a.purpose = 'work'
GROUP BY s.run_id, s.step, s.attempts HAVING s.attempts <> count(a.id);

-- name: a step counts other items than there are
SELECT s.run_id, s.step, s.items_total, s.items_done, count(DISTINCT a.item) FROM steps s
JOIN attempts a ON a.run_id = s.run_id AND a.step = s.step
WHERE s.items_total IS NOT NULL
GROUP BY s.run_id, s.step, s.items_total, s.items_done
HAVING s.items_total <> s.items_done OR s.items_done <> count(DISTINCT a.item);

-- name: a run's usage is not that of its attempts
-- A late result tells what it used after its run has ended; that is not in the run any more.
SELECT r.id, r.input_tokens, r.output_tokens, r.cost_usd, sum(a.input_tokens), sum(a.output_tokens), sum(a.cost_usd)
FROM runs r JOIN attempts a ON a.run_id = r.id
WHERE r.finished_at IS NOT NULL
GROUP BY r.id
HAVING r.input_tokens NOT BETWEEN sum(a.input_tokens) FILTER (WHERE NOT a.superseded) AND sum(a.input_tokens)
    OR r.output_tokens NOT BETWEEN sum(a.output_tokens) FILTER (WHERE NOT a.superseded) AND sum(a.output_tokens)
    OR coalesce(r.cost_usd, 0) NOT BETWEEN coalesce(sum(a.cost_usd) FILTER (WHERE NOT a.superseded), 0) - 1e-12
                                       AND coalesce(sum(a.cost_usd), 0) + 1e-12;

-- name: an answer of the model was not paid for
SELECT run_id, step, number, input_tokens, output_tokens, cost_usd FROM attempts
WHERE worker = 'orchestrator.agent' AND status = 'succeeded'
  AND (input_tokens <> 10 OR output_tokens <> 1 OR cost_usd IS NULL);

-- name: a child run has no attempt that it carried out, or ended otherwise
SELECT r.id, r.parent_run, r.status, a.status AS attempt FROM runs r LEFT JOIN attempts a ON a.id = r.id
WHERE r.parent_run IS NOT NULL AND a.status IS DISTINCT FROM r.status;

-- name: an attempt for a child run has none
SELECT a.id, a.run_id, a.step FROM attempts a
WHERE a.pool = '' AND NOT EXISTS (SELECT FROM runs r WHERE r.id = a.id AND r.parent_run = a.run_id);

-- name: a run's start or end is not told once
SELECT r.id, e.kind, count(v.id) FROM runs r
CROSS JOIN (VALUES ('run.submitted'), ('run.started'), ('run.finished')) AS e (kind)
LEFT JOIN events v ON v.run_id = r.id AND v.kind = e.kind
WHERE r.finished_at IS NOT NULL
GROUP BY r.id, e.kind HAVING count(v.id) <> 1;

-- name: a settled step's events have gaps
SELECT s.run_id, s.step, s.status, e.kind, count(v.id) FROM steps s
JOIN (VALUES ('succeeded', 'step.started'), ('succeeded', 'step.finished'), ('failed', 'step.started'),
             ('failed', 'step.finished'), ('skipped', 'step.skipped')) AS e (status, kind) ON e.status = s.status
LEFT JOIN events v ON v.run_id = s.run_id AND v.step = s.step AND v.kind = e.kind
GROUP BY s.run_id, s.step, s.status, e.kind HAVING count(v.id) <> 1;

-- name: an attempt's events have gaps
-- A killed worker takes the `attempt.started` along that it had not written yet.
SELECT a.run_id, a.step, a.number, a.status, count(*) FILTER (WHERE v.kind = 'attempt.queued') AS queued,
       count(*) FILTER (WHERE v.kind = 'attempt.started') AS started,
       count(*) FILTER (WHERE v.kind = 'attempt.finished') AS finished
FROM attempts a LEFT JOIN events v ON v.attempt_id = a.id
WHERE a.pool <> ''
GROUP BY a.id
HAVING count(*) FILTER (WHERE v.kind = 'attempt.queued') <> 1
    OR count(*) FILTER (WHERE v.kind = 'attempt.finished') <> 1
    OR count(*) FILTER (WHERE v.kind = 'attempt.started') NOT BETWEEN CASE a.status WHEN 'succeeded' THEN 1 ELSE 0 END AND 1;

-- name: a payload is not stored
SELECT a.run_id, a.step, a.number FROM attempts a
LEFT JOIN blobs i ON i.tenant = a.tenant AND i.sha256 = a.input
LEFT JOIN blobs o ON o.tenant = a.tenant AND o.sha256 = a.output
WHERE i.sha256 IS NULL OR a.output IS NOT NULL AND o.sha256 IS NULL
UNION ALL
SELECT s.run_id, s.step, NULL FROM steps s
LEFT JOIN blobs o ON o.tenant = s.tenant AND o.sha256 = s.output WHERE s.output IS NOT NULL AND o.sha256 IS NULL
UNION ALL
SELECT r.id, 'run', NULL FROM runs r
LEFT JOIN blobs o ON o.tenant = r.tenant AND o.sha256 = r.output WHERE r.output IS NOT NULL AND o.sha256 IS NULL;

-- name: an effect in doubt was passed over in silence
SELECT e.run_id, e.step, e.item, e.key FROM effects e
WHERE e.state = 'claimed' AND NOT EXISTS (
    SELECT FROM attempts a
    WHERE a.run_id = e.run_id AND a.step = e.step AND a.item = e.item AND a.error ->> 'class' = 'in_doubt'
);

-- name: an attempt is in doubt about no effect
SELECT a.run_id, a.step, a.item, a.number FROM attempts a
WHERE a.error ->> 'class' = 'in_doubt' AND NOT EXISTS (
    SELECT FROM effects e WHERE e.run_id = a.run_id AND e.step = a.step AND e.item = a.item
);
