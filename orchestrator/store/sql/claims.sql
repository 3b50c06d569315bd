-- name: claim_attempts
-- For each tenant $5, first the $7 attempts that have waited longest, then the $6 first in the order of priorities, as far as
-- nobody else is taking them: walks of the partial indexes `attempts_waited` and `attempts_claim`. Of attempts with a rate of
-- their own only those whose key is in $8.
-- Planned once for a connection, perhaps while the tables are empty, and right for long queues all the same: the shares are
-- hidden from the planner, since it would plan each call for their length; runs and values are looked up one by one, and the
-- rows that were locked are updated by their place, so that nothing can become a join with a whole table.
-- A heartbeat goes to a retry of the same work, not to a revision or a further iteration, which begin anew.
WITH shares AS (
    SELECT * FROM unnest((SELECT $5::text[]), (SELECT $6::int[]), (SELECT $7::int[])) AS share (tenant, urgent, longest)
), longest AS MATERIALIZED (
    SELECT found.id, found.place
    FROM shares s
    CROSS JOIN LATERAL (
        SELECT a.id, a.ctid AS place
        FROM attempts a
        WHERE a.status = 'queued' AND a.pool = $1 AND a.tenant = s.tenant AND a.worker = ANY ($2) AND a.not_before <= now()
          AND (a.rate_key IS NULL OR a.rate_key = ANY ($8::text[]))
          AND (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = a.run_id)
        ORDER BY a.not_before, a.id
        LIMIT s.longest
        FOR UPDATE SKIP LOCKED
    ) AS found
    WHERE s.longest > 0
), urgent AS MATERIALIZED (
    SELECT found.id, found.place
    FROM shares s
    CROSS JOIN LATERAL (
        SELECT a.id, a.ctid AS place
        FROM attempts a
        WHERE a.status = 'queued' AND a.pool = $1 AND a.tenant = s.tenant AND a.worker = ANY ($2) AND a.not_before <= now()
          AND (a.rate_key IS NULL OR a.rate_key = ANY ($8::text[]))
          AND a.id NOT IN (SELECT id FROM longest)
          AND (SELECT r.finished_at IS NULL FROM runs r WHERE r.id = a.run_id)
        ORDER BY a.priority DESC, a.not_before, a.id
        LIMIT s.urgent
        FOR UPDATE SKIP LOCKED
    ) AS found
    WHERE s.urgent > 0
), held AS (
    UPDATE attempts a
    -- Not now(), which is before the locks of a limited claim were had.
    SET status = 'running', token = a.token + 1, process = $3, claimed_at = statement_timestamp(),
        lease_until = statement_timestamp() + make_interval(secs => $4)
    WHERE a.ctid = ANY (ARRAY(SELECT place FROM longest UNION ALL SELECT place FROM urgent))
    RETURNING a.*
)
SELECT held.*, b.data AS input_data, b.size AS input_size, r.workflow, (
    SELECT p.heartbeat
    FROM attempts p
    WHERE p.run_id = held.run_id AND p.step = held.step AND p.item = held.item AND p.number < held.number
      AND p.purpose = held.purpose AND p.validator = held.validator AND p.heartbeat IS NOT NULL
      AND p.options -> 'revision' IS NOT DISTINCT FROM held.options -> 'revision'
      AND p.options -> 'iteration' IS NOT DISTINCT FROM held.options -> 'iteration'
    ORDER BY p.number DESC
    LIMIT 1
) AS last_heartbeat
FROM held
JOIN LATERAL (SELECT r.workflow FROM runs r WHERE r.id = held.run_id LIMIT 1) AS r ON true
LEFT JOIN LATERAL (
    SELECT b.data, b.size FROM blobs b WHERE b.tenant = held.tenant AND b.sha256 = held.input LIMIT 1
) AS b ON true
ORDER BY held.priority DESC, held.not_before, held.id;

-- name: look_at_pool
-- What waits in the pool $1 and is due: the tenants, the rate keys of steps with their rates, and which of the workers $2 are
-- wanted. Tenants and keys are found by jumping from one to the next in an index, so a long queue costs no more than a short one;
-- the workers are looked for in the whole queue, and are only those that are limited and at home elsewhere.
WITH RECURSIVE tenants AS (
    (SELECT a.tenant FROM attempts a WHERE a.status = 'queued' AND a.pool = $1 ORDER BY a.tenant LIMIT 1)
    UNION ALL
    SELECT (
        SELECT a.tenant FROM attempts a
        WHERE a.status = 'queued' AND a.pool = $1 AND a.tenant > t.tenant
        ORDER BY a.tenant LIMIT 1
    )
    FROM tenants t
    WHERE t.tenant IS NOT NULL
), keys AS (
    (SELECT a.rate_key FROM attempts a
     WHERE a.status = 'queued' AND a.pool = $1 AND a.rate_key IS NOT NULL ORDER BY a.rate_key LIMIT 1)
    UNION ALL
    SELECT (
        SELECT a.rate_key FROM attempts a
        WHERE a.status = 'queued' AND a.pool = $1 AND a.rate_key > k.rate_key
        ORDER BY a.rate_key LIMIT 1
    )
    FROM keys k
    WHERE k.rate_key IS NOT NULL
)
SELECT 'tenant' AS what, t.tenant AS name, NULL AS rate
FROM tenants t
WHERE t.tenant IS NOT NULL AND EXISTS (
    SELECT FROM attempts a
    WHERE a.status = 'queued' AND a.pool = $1 AND a.tenant = t.tenant AND a.not_before <= now()
)
UNION ALL
SELECT 'key', k.rate_key, (
    SELECT a.options -> 'rate' ->> 'rate' FROM attempts a
    WHERE a.status = 'queued' AND a.pool = $1 AND a.rate_key = k.rate_key LIMIT 1
)
FROM keys k
WHERE k.rate_key IS NOT NULL
UNION ALL
SELECT 'worker', w.name, NULL
FROM unnest($2::text[]) AS w (name)
WHERE EXISTS (
    SELECT FROM attempts a
    WHERE a.status = 'queued' AND a.pool = $1 AND a.worker = w.name AND a.not_before <= now()
);

-- name: lock_gates
-- One after the other in the order of their numbers, as everywhere, so that no two claims wait for each other.
SELECT pg_advisory_xact_lock(gate.number)
FROM (SELECT DISTINCT hashtextextended(name, 7326945021) AS number FROM unnest($1::text[]) AS name ORDER BY number) AS gate;

-- name: read_gates
-- How full each of the gates ($1 kinds, $2 what they are for, $3 their names) is, in their order: how many run, and by how
-- many seconds a rate is ahead. A statement of its own, after the locks, so that it sees what was claimed before.
SELECT CASE gate.kind
           WHEN 'pool' THEN (SELECT count(*) FROM attempts a WHERE a.status = 'running' AND a.pool = gate.of)
           WHEN 'worker' THEN (SELECT count(*) FROM attempts a WHERE a.status = 'running' AND a.worker = gate.of)
           WHEN 'tenant' THEN (SELECT count(*) FROM attempts a WHERE a.status = 'running' AND a.tenant = gate.of)
           ELSE 0
       END AS running,
       coalesce((SELECT extract(epoch FROM r.next_at - statement_timestamp()) FROM rates r WHERE r.name = gate.name), 0)::float8
       AS ahead
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS gate (kind, of, name, place)
ORDER BY gate.place;

-- name: use_rates
-- So many ($2) have begun under each rate $1, each of which puts its schedule $3 seconds on.
INSERT INTO rates AS r (name, next_at)
SELECT used.name, statement_timestamp() + make_interval(secs => used.count * used.every)
FROM unnest($1::text[], $2::int[], $3::float8[]) AS used (name, count, every)
ORDER BY used.name
ON CONFLICT (name) DO UPDATE
SET next_at = greatest(r.next_at, statement_timestamp()) + (excluded.next_at - statement_timestamp());

-- name: forget_rates
DELETE FROM rates WHERE next_at < now() - interval '1 day';
