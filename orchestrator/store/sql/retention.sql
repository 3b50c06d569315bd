-- name: old_families
-- The next $4 runs after the id $3 that ended before $1 and were begun by a person, of the tenant $2 or of all: each with
-- everything that hangs on it (child runs, forks, and theirs), and whether all of that ended before, too. Ids are ordered by
-- time, so that the walk over the primary key looks at each run once.
WITH RECURSIVE roots AS (
    SELECT id FROM runs
    WHERE id > $3 AND finished_at < to_timestamp($1) AND parent_run IS NULL AND forked_from IS NULL
      AND ($2::text IS NULL OR tenant = $2)
    ORDER BY id
    LIMIT $4
), family AS (
    SELECT id AS root, id FROM roots
    UNION
    SELECT family.root, below.id
    FROM family
    CROSS JOIN LATERAL (
        SELECT id FROM runs WHERE parent_run = family.id
        UNION ALL
        SELECT id FROM runs WHERE forked_from = family.id
    ) AS below
)
SELECT family.root, array_agg(r.id) AS ids, coalesce(bool_and(r.finished_at < to_timestamp($1)), false) AS ended
FROM family
JOIN runs r ON r.id = family.id
GROUP BY family.root
ORDER BY family.root;

-- name: lock_ended_runs
-- Whoever begins a fork of one of them waits, and then finds it gone.
SELECT id FROM runs WHERE id = ANY ($1::uuid[]) AND finished_at IS NOT NULL ORDER BY id FOR UPDATE;

-- name: hold_run
SELECT 1 FROM runs WHERE id = $1 FOR KEY SHARE;

-- name: count_outsiders
-- Runs that hang on one of $1 and are not among them: begun since the families were looked at.
SELECT count(*) FROM runs
WHERE (parent_run = ANY ($1::uuid[]) OR forked_from = ANY ($1::uuid[])) AND id <> ALL ($1::uuid[]);

-- name: delete_runs
-- Each table by itself, though most would follow by cascade, so that people can be told what went.
WITH inboxes AS (
    DELETE FROM inbox t WHERE run_id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
), ledger AS (
    DELETE FROM effects t WHERE run_id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
), judgements AS (
    DELETE FROM verdicts t WHERE run_id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
), timeline AS (
    DELETE FROM events t WHERE run_id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
), stands AS (
    DELETE FROM steps t WHERE run_id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
), tries AS (
    DELETE FROM attempts t WHERE run_id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
), points AS (
    DELETE FROM checkpoints t WHERE thread_id = ANY ($1::uuid[]::text[]) RETURNING pg_column_size(t.*) AS bytes
), channels AS (
    DELETE FROM checkpoint_blobs t WHERE thread_id = ANY ($1::uuid[]::text[]) RETURNING octet_length(data) AS bytes
), patches AS (
    DELETE FROM checkpoint_writes t WHERE thread_id = ANY ($1::uuid[]::text[]) RETURNING octet_length(data) AS bytes
), gone AS (
    DELETE FROM runs t WHERE id = ANY ($1::uuid[]) RETURNING pg_column_size(t.*) AS bytes
)
SELECT 'runs' AS kind, count(*) AS rows, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone
UNION ALL SELECT 'steps', count(*), coalesce(sum(bytes), 0)::bigint FROM stands
UNION ALL SELECT 'attempts', count(*), coalesce(sum(bytes), 0)::bigint FROM tries
UNION ALL SELECT 'verdicts', count(*), coalesce(sum(bytes), 0)::bigint FROM judgements
UNION ALL SELECT 'events', count(*), coalesce(sum(bytes), 0)::bigint FROM timeline
UNION ALL SELECT 'effects', count(*), coalesce(sum(bytes), 0)::bigint FROM ledger
UNION ALL SELECT 'inbox', count(*), coalesce(sum(bytes), 0)::bigint FROM inboxes
UNION ALL SELECT 'checkpoints', count(*), coalesce(sum(bytes), 0)::bigint FROM points
UNION ALL SELECT 'checkpoint values', count(*), coalesce(sum(bytes), 0)::bigint
          FROM (SELECT bytes FROM channels UNION ALL SELECT bytes FROM patches) AS values;

-- name: count_runs
-- What `delete_runs` would delete.
WITH given AS (
    SELECT id, id::text AS thread FROM unnest($1::uuid[]) AS given (id)
)
SELECT 'runs' AS kind, count(*) AS rows, coalesce(sum(pg_column_size(t.*)), 0)::bigint AS bytes
FROM runs t JOIN given ON t.id = given.id
UNION ALL SELECT 'steps', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM steps t JOIN given ON t.run_id = given.id
UNION ALL SELECT 'attempts', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM attempts t JOIN given ON t.run_id = given.id
UNION ALL SELECT 'verdicts', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM verdicts t JOIN given ON t.run_id = given.id
UNION ALL SELECT 'events', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM events t JOIN given ON t.run_id = given.id
UNION ALL SELECT 'effects', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM effects t JOIN given ON t.run_id = given.id
UNION ALL SELECT 'inbox', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM inbox t JOIN given ON t.run_id = given.id
UNION ALL SELECT 'checkpoints', count(*), coalesce(sum(pg_column_size(t.*)), 0)::bigint
FROM checkpoints t JOIN given ON t.thread_id = given.thread
UNION ALL SELECT 'checkpoint values', count(*), coalesce(sum(bytes), 0)::bigint
FROM (
    SELECT octet_length(data) AS bytes FROM checkpoint_blobs t JOIN given ON t.thread_id = given.thread
    UNION ALL
    SELECT octet_length(data) FROM checkpoint_writes t JOIN given ON t.thread_id = given.thread
) AS values;

-- name: span_days
-- The partitions of `spans`, the oldest first; their names say their days.
SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'orchestrator.spans'::regclass
ORDER BY c.relname;

-- name: blob_bounds
-- For each tenant that has values, before when one must have been put that nothing refers to. See decision 0011. Tenants are
-- found by leaps over the primary key.
WITH RECURSIVE owners AS (
    (SELECT tenant FROM blobs ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT b.tenant FROM blobs b WHERE b.tenant > owners.tenant ORDER BY b.tenant LIMIT 1)
    FROM owners WHERE owners.tenant IS NOT NULL
)
SELECT tenant, least(
    now() - interval '1 day',
    (SELECT min(r.created_at) FROM runs r WHERE r.tenant = owners.tenant) - interval '1 hour'
) AS before
FROM owners
WHERE tenant IS NOT NULL;

-- name: sweep_blobs
-- At most $3 of a tenant's values that were put before $2. What somebody is just putting again is passed over.
WITH old AS (
    SELECT tenant, sha256 FROM blobs WHERE tenant = $1 AND put_at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM blobs b USING old WHERE b.tenant = old.tenant AND b.sha256 = old.sha256 RETURNING b.size
)
SELECT count(*) AS rows, coalesce(sum(size), 0)::bigint AS bytes FROM gone;

-- name: count_old_blobs
SELECT count(*) AS rows, coalesce(sum(size), 0)::bigint AS bytes FROM blobs WHERE tenant = $1 AND put_at < $2;
