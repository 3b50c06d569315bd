-- name: insert_workflow
INSERT INTO workflows (sha256, name, version, definition, source)
VALUES ($1, $2, $3, $4::json, $5)
ON CONFLICT (sha256) DO NOTHING;

-- name: workflow_is_stored
SELECT 1 FROM workflows WHERE sha256 = $1;

-- name: get_workflow
SELECT definition FROM workflows WHERE sha256 = $1;

-- name: last_submitted_workflow
-- The index `runs_by_workflow` begins with the newest run; children are submitted by their parents, not by the tenant,
-- and a fork keeps the definition of its source.
SELECT w.definition
FROM runs r
JOIN workflows w ON w.sha256 = r.workflow_sha256
WHERE r.tenant = $1 AND r.workflow = $2 AND r.parent_run IS NULL AND r.forked_from IS NULL
ORDER BY r.created_at DESC, r.id DESC
LIMIT 1;

-- name: insert_run
-- A second insert with the same idempotency key waits for the first one's transaction, then does nothing.
INSERT INTO runs (id, tenant, workflow_sha256, workflow, version, inputs, priority,
                  idempotency_key, parent_run, parent_step, budget, forked_from, fork, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: first_run
SELECT id FROM runs WHERE id = $1
UNION ALL
SELECT id FROM runs WHERE tenant = $2 AND idempotency_key = $3
LIMIT 1;

-- name: fence_run
-- Every write of a run's owner begins with this: it waits for a take-over that is under way, and holds off the next.
SELECT 1 FROM runs WHERE id = $1 AND epoch = $2 FOR SHARE;

-- name: take_ownership
-- One conditional update: of two that try, the second waits, sees the first one as a live owner, and gets nothing.
UPDATE runs
SET owner = $2,
    epoch = epoch + 1,
    status = CASE status WHEN 'queued' THEN 'running' ELSE status END,
    started_at = coalesce(started_at, now()),
    parked = false,
    wake_at = NULL
WHERE id = $1
  AND finished_at IS NULL
  AND (owner IS NULL OR NOT EXISTS (
      SELECT FROM processes p
      WHERE p.id = runs.owner AND p.heartbeat_at > clock_timestamp() - make_interval(secs => $3)
  ))
RETURNING *;

-- name: release_run
UPDATE runs SET owner = NULL WHERE id = $1 AND epoch = $2 AND finished_at IS NULL RETURNING id;

-- name: strays
-- The partial index `runs_unfinished` finds what a process owns.
SELECT r.id, r.epoch
FROM runs r
WHERE r.owner = $1 AND r.finished_at IS NULL
  AND NOT EXISTS (SELECT FROM unnest($2::uuid[]) AS hosted (id) WHERE hosted.id = r.id);

-- name: get_run
SELECT * FROM runs WHERE id = $1 AND ($2::text IS NULL OR tenant = $2);

-- name: run_statuses
SELECT r.id, r.status
FROM unnest($1::uuid[], $2::text[]) AS asked (id, tenant)
JOIN runs r ON r.id = asked.id AND r.tenant = asked.tenant;

-- name: find_runs
-- A prefix is a range of ids, so that the primary key finds it.
SELECT * FROM runs
WHERE id BETWEEN $1 AND $2 AND tenant = $3
ORDER BY id DESC
LIMIT $4;

-- name: list_runs
SELECT * FROM runs
WHERE ($1::text IS NULL OR tenant = $1) AND ($2::text IS NULL OR status = $2)
ORDER BY created_at DESC
LIMIT $3;

-- name: set_status
UPDATE runs SET status = $2 WHERE id = $1 AND finished_at IS NULL AND status <> $2;

-- name: finish_run
-- A run that has ended reads nothing any more.
WITH emptied AS (
    DELETE FROM inbox WHERE run_id = $1
)
UPDATE runs
SET status = $2, output = $3, error = $4::jsonb, finished_at = now(), owner = NULL, parked = false, wake_at = NULL,
    input_tokens = used.input_tokens, output_tokens = used.output_tokens, cost_usd = used.cost_usd
FROM (
    SELECT coalesce(sum(input_tokens), 0) AS input_tokens,
           coalesce(sum(output_tokens), 0) AS output_tokens,
           sum(cost_usd) AS cost_usd
    FROM attempts WHERE run_id = $1
) AS used
WHERE runs.id = $1 AND runs.finished_at IS NULL
RETURNING runs.*;

-- name: request_cancel
WITH run AS (
    SELECT id, owner, status, finished_at IS NOT NULL AS finished
    FROM runs
    WHERE id = $1 AND tenant = $2
    FOR KEY SHARE
), asked AS (
    INSERT INTO inbox (run_id, kind)
    SELECT id, 'cancel' FROM run
    WHERE NOT finished AND NOT EXISTS (SELECT FROM inbox i WHERE i.run_id = $1 AND i.kind = 'cancel')
)
SELECT owner, status, finished FROM run;

-- name: orphans
-- The partial index `runs_unfinished` holds the few runs that are not finished.
SELECT r.id, r.priority
FROM runs r
WHERE r.finished_at IS NULL
  AND (r.owner IS NULL OR NOT EXISTS (
      SELECT FROM processes p
      WHERE p.id = r.owner AND p.heartbeat_at > clock_timestamp() - make_interval(secs => $1)
  ))
  AND (NOT r.parked OR r.wake_at <= now() OR EXISTS (SELECT FROM inbox i WHERE i.run_id = r.id))
ORDER BY r.priority DESC, r.created_at
LIMIT $2;
