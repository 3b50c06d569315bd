-- name: create_checkpoint_tables
-- The same tables as in schema.sql (a test compares them), for databases in which nothing else of ours is wanted.
CREATE SCHEMA IF NOT EXISTS orchestrator;
CREATE TABLE IF NOT EXISTS orchestrator.checkpoints (
    thread_id             text NOT NULL,
    checkpoint_ns         text NOT NULL DEFAULT '',
    checkpoint_id         text NOT NULL,
    parent_checkpoint_id  text,
    checkpoint            jsonb NOT NULL,
    metadata              jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE IF NOT EXISTS orchestrator.checkpoint_blobs (
    thread_id      text NOT NULL,
    checkpoint_ns  text NOT NULL DEFAULT '',
    channel        text NOT NULL,
    version        text NOT NULL,
    type           text NOT NULL,
    data           bytea NOT NULL,
    PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
);
CREATE TABLE IF NOT EXISTS orchestrator.checkpoint_writes (
    thread_id      text NOT NULL,
    checkpoint_ns  text NOT NULL DEFAULT '',
    checkpoint_id  text NOT NULL,
    task_id        text NOT NULL,
    task_path      text NOT NULL DEFAULT '',
    idx            integer NOT NULL,
    channel        text NOT NULL,
    type           text NOT NULL,
    data           bytea NOT NULL,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);

-- name: put_checkpoint
-- $1 thread, $2 namespace, $3 checkpoint, $4 its parent, $5 and $6 JSON, $7 … $10 channel values by version.
WITH stored AS (
    INSERT INTO orchestrator.checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, data)
    SELECT $1, $2, v.* FROM unnest($7::text[], $8::text[], $9::text[], $10::bytea[]) AS v
    ON CONFLICT DO NOTHING
)
INSERT INTO orchestrator.checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6::text::jsonb)
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
DO UPDATE SET checkpoint = excluded.checkpoint, metadata = excluded.metadata
RETURNING 1;

-- name: put_checkpoint_fenced
-- The same, only for the owner of the run $11 with the epoch $12: nothing is written without its row in `owned`, which
-- stays locked until the statement, and so its transaction, has ended.
WITH owned AS (
    SELECT 1 FROM orchestrator.runs WHERE id = $11 AND epoch = $12 FOR SHARE
), stored AS (
    INSERT INTO orchestrator.checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, data)
    SELECT $1, $2, v.* FROM owned, unnest($7::text[], $8::text[], $9::text[], $10::bytea[]) AS v
    ON CONFLICT DO NOTHING
)
INSERT INTO orchestrator.checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
SELECT $1, $2, $3, $4, $5::text::jsonb, $6::text::jsonb FROM owned
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
DO UPDATE SET checkpoint = excluded.checkpoint, metadata = excluded.metadata
RETURNING 1;

-- name: put_writes
-- $10: whether a write that is there already is replaced. LangGraph's own (errors, interrupts …) are, a task's are not.
INSERT INTO orchestrator.checkpoint_writes AS w
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, data)
SELECT $1, $2, $3, $4, $5, v.* FROM unnest($6::int[], $7::text[], $8::text[], $9::bytea[]) AS v
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
DO UPDATE SET channel = excluded.channel, type = excluded.type, data = excluded.data
WHERE $10;

-- name: put_writes_fenced
-- The same, only for the owner of the run $11 with the epoch $12; the answer is whether it is.
WITH owned AS (
    SELECT 1 FROM orchestrator.runs WHERE id = $11 AND epoch = $12 FOR SHARE
), stored AS (
    INSERT INTO orchestrator.checkpoint_writes AS w
        (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, data)
    SELECT $1, $2, $3, $4, $5, v.* FROM owned, unnest($6::int[], $7::text[], $8::text[], $9::bytea[]) AS v
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
    DO UPDATE SET channel = excluded.channel, type = excluded.type, data = excluded.data
    WHERE $10
)
SELECT 1 FROM owned;

-- name: get_checkpoint
SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint::text, metadata::text
FROM orchestrator.checkpoints
WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = $3;

-- name: latest_checkpoint
-- Ids are time-ordered.
SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint::text, metadata::text
FROM orchestrator.checkpoints
WHERE thread_id = $1 AND checkpoint_ns = $2
ORDER BY checkpoint_id DESC
LIMIT 1;

-- name: list_checkpoints
-- Every filter may be NULL. $6 is the last row of the page before: checkpoint, thread, namespace.
SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint::text, metadata::text
FROM orchestrator.checkpoints
WHERE ($1::text IS NULL OR thread_id = $1)
  AND ($2::text IS NULL OR checkpoint_ns = $2)
  AND ($3::text IS NULL OR checkpoint_id = $3)
  AND ($4::text IS NULL OR metadata @> $4::text::jsonb)
  AND ($5::text IS NULL OR checkpoint_id < $5)
  AND ($6::text[] IS NULL OR (checkpoint_id, thread_id, checkpoint_ns) < ($6[1], $6[2], $6[3]))
ORDER BY checkpoint_id DESC, thread_id DESC, checkpoint_ns DESC
LIMIT $7;

-- name: get_channel_values
SELECT b.thread_id, b.checkpoint_ns, b.channel, b.version, b.type, b.data
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (thread_id, checkpoint_ns, channel, version)
JOIN orchestrator.checkpoint_blobs b USING (thread_id, checkpoint_ns, channel, version);

-- name: get_writes
SELECT w.thread_id, w.checkpoint_ns, w.checkpoint_id, w.task_id, w.channel, w.type, w.data
FROM unnest($1::text[], $2::text[], $3::text[]) AS c (thread_id, checkpoint_ns, checkpoint_id)
JOIN orchestrator.checkpoint_writes w USING (thread_id, checkpoint_ns, checkpoint_id)
ORDER BY w.task_path COLLATE "C", w.task_id COLLATE "C", w.idx;

-- name: walk_delta_channels
-- For each channel of $4 the ancestors of checkpoint $3, the nearest first, up to the one that has a value for it: in
-- the checkpoint itself, or as a blob. Each step is one look-up by primary key.
WITH RECURSIVE walk AS (
    SELECT ch.channel, p.checkpoint_id, p.parent_checkpoint_id, 1 AS distance,
           p.checkpoint -> 'channel_values' -> ch.channel AS plain,
           p.checkpoint -> 'channel_versions' ->> ch.channel AS version
    FROM unnest($4::text[]) AS ch (channel)
    JOIN orchestrator.checkpoints c ON c.thread_id = $1 AND c.checkpoint_ns = $2 AND c.checkpoint_id = $3
    JOIN orchestrator.checkpoints p
      ON p.thread_id = $1 AND p.checkpoint_ns = $2 AND p.checkpoint_id = c.parent_checkpoint_id
    UNION ALL
    SELECT w.channel, p.checkpoint_id, p.parent_checkpoint_id, w.distance + 1,
           p.checkpoint -> 'channel_values' -> w.channel,
           p.checkpoint -> 'channel_versions' ->> w.channel
    FROM walk w
    JOIN orchestrator.checkpoints p
      ON p.thread_id = $1 AND p.checkpoint_ns = $2 AND p.checkpoint_id = w.parent_checkpoint_id
    WHERE w.plain IS NULL
      AND NOT EXISTS (
          SELECT FROM orchestrator.checkpoint_blobs b
          WHERE b.thread_id = $1 AND b.checkpoint_ns = $2 AND b.channel = w.channel AND b.version = w.version
      )
)
SELECT w.channel, w.checkpoint_id, w.plain::text AS plain, b.type, b.data
FROM walk w
LEFT JOIN orchestrator.checkpoint_blobs b
  ON b.thread_id = $1 AND b.checkpoint_ns = $2 AND b.channel = w.channel AND b.version = w.version
ORDER BY w.distance;

-- name: get_delta_writes
SELECT w.channel, w.checkpoint_id, w.task_id, w.type, w.data
FROM unnest($3::text[], $4::text[]) AS c (checkpoint_id, channel)
JOIN orchestrator.checkpoint_writes w
  ON w.thread_id = $1 AND w.checkpoint_ns = $2 AND w.checkpoint_id = c.checkpoint_id AND w.channel = c.channel
ORDER BY w.task_path COLLATE "C", w.task_id COLLATE "C", w.idx;

-- name: delete_threads
WITH gone AS (
    DELETE FROM orchestrator.checkpoints WHERE thread_id = ANY ($1::text[])
), blobs AS (
    DELETE FROM orchestrator.checkpoint_blobs WHERE thread_id = ANY ($1::text[])
)
DELETE FROM orchestrator.checkpoint_writes WHERE thread_id = ANY ($1::text[]);

-- name: copy_thread
WITH c AS (
    INSERT INTO orchestrator.checkpoints
        (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
    SELECT $2, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata
    FROM orchestrator.checkpoints WHERE thread_id = $1
    ON CONFLICT DO NOTHING
), b AS (
    INSERT INTO orchestrator.checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, data)
    SELECT $2, checkpoint_ns, channel, version, type, data
    FROM orchestrator.checkpoint_blobs WHERE thread_id = $1
    ON CONFLICT DO NOTHING
)
INSERT INTO orchestrator.checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, data)
SELECT $2, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, data
FROM orchestrator.checkpoint_writes WHERE thread_id = $1
ON CONFLICT DO NOTHING;

-- name: checkpoints_of_runs
SELECT thread_id, checkpoint_ns, checkpoint_id
FROM orchestrator.checkpoints
WHERE metadata ->> 'run_id' = ANY ($1::text[]);

-- name: checkpoint_heads
-- The latest checkpoint of each namespace, with the delta channels that it has no value for.
SELECT DISTINCT ON (checkpoint_ns) checkpoint_ns, checkpoint_id,
       ARRAY(
           SELECT delta.channel
           FROM jsonb_object_keys(coalesce(c.metadata -> 'counters_since_delta_snapshot', '{}')) AS delta (channel)
           WHERE NOT EXISTS (
               SELECT FROM orchestrator.checkpoint_blobs b
               WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = delta.channel
                 AND b.version = c.checkpoint -> 'channel_versions' ->> delta.channel
           )
       ) AS delta_channels
FROM orchestrator.checkpoints c
WHERE thread_id = $1
ORDER BY checkpoint_ns, checkpoint_id DESC;

-- name: checkpoints_before
-- Checkpoints that come later than the head are being written at this moment: they are not looked at.
SELECT checkpoint_id FROM orchestrator.checkpoints
WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id < $3;

-- name: delete_checkpoints
DELETE FROM orchestrator.checkpoints
WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = ANY ($3::text[])
RETURNING (checkpoint -> 'channel_versions')::text AS versions;

-- name: delete_writes
DELETE FROM orchestrator.checkpoint_writes
WHERE thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = ANY ($3::text[]);

-- name: delete_channel_values
-- Of the values that deleted checkpoints had, those that no remaining checkpoint has.
DELETE FROM orchestrator.checkpoint_blobs b
USING unnest($3::text[], $4::text[]) AS freed (channel, version)
WHERE b.thread_id = $1 AND b.checkpoint_ns = $2 AND b.channel = freed.channel AND b.version = freed.version
  AND NOT EXISTS (
      SELECT FROM orchestrator.checkpoints c
      WHERE c.thread_id = $1 AND c.checkpoint_ns = $2
        AND c.checkpoint -> 'channel_versions' ->> freed.channel = freed.version
  );
