-- name: read_patches
-- What the task after a checkpoint wrote leads to the checkpoint after it. $1 run, $2 tenant, $3 channel, $4 the last
-- checkpoint that the reader has, $5 how many at the most. Ids are time-ordered, so that the primary key gives the page.
SELECT c.checkpoint_id, (c.metadata ->> 'step')::int AS number, (c.checkpoint ->> 'ts')::timestamptz AS at, w.data
FROM runs r
JOIN checkpoints c ON c.thread_id = r.id::text AND c.checkpoint_ns = '' AND c.checkpoint_id > $4
JOIN checkpoint_writes w ON w.thread_id = c.thread_id AND w.checkpoint_ns = c.checkpoint_ns
    AND w.checkpoint_id = c.parent_checkpoint_id AND w.channel = $3
WHERE r.id = $1 AND r.tenant = $2
ORDER BY c.checkpoint_id, w.task_path COLLATE "C", w.task_id COLLATE "C", w.idx
LIMIT $5;

-- name: oldest_state
-- The oldest checkpoint, if others were before it, with the whole value of type $4 that the channel $3 has there.
SELECT c.checkpoint_id, (c.metadata ->> 'step')::int AS number, (c.checkpoint ->> 'ts')::timestamptz AS at,
       b.data
FROM (
    SELECT c.* FROM runs r
    JOIN checkpoints c ON c.thread_id = r.id::text AND c.checkpoint_ns = ''
    WHERE r.id = $1 AND r.tenant = $2
    ORDER BY c.checkpoint_id
    LIMIT 1
) AS c
JOIN checkpoint_blobs b ON b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns AND b.channel = $3
    AND b.version = c.checkpoint -> 'channel_versions' ->> $3 AND b.type = $4
WHERE c.parent_checkpoint_id IS NOT NULL;

-- name: has_checkpoints
SELECT 1 FROM runs r
WHERE r.id = $1 AND r.tenant = $2
  AND EXISTS (SELECT FROM checkpoints c WHERE c.thread_id = r.id::text AND c.checkpoint_ns = '');
