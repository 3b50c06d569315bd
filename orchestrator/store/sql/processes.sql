-- name: register_process
INSERT INTO processes (id, kind, host, pid, pools, slots) VALUES ($1, $2, $3, $4, $5, $6);

-- name: beat
-- Not waiting for the disk: one that stalls must not make everybody look dead, and a heartbeat that a crash of the server
-- takes along is followed by another.
-- Gives how many processes serve any of the same pools, this one among them: a hundred at the most are counted.
UPDATE processes SET heartbeat_at = clock_timestamp() WHERE id = $1
RETURNING (
    SELECT count(*) FROM (SELECT FROM processes peer WHERE peer.pools && processes.pools LIMIT 100) AS peers
), set_config('synchronous_commit', 'off', true);

-- name: bury_processes
-- $1 these processes, or those that have been silent for so many seconds: $3 for workers, $2 for others. Ending their
-- leases leaves it to `expire_leases` to declare their attempts lost. What somebody has locked has its lease end by itself.
WITH silent AS (
    SELECT id FROM processes
    WHERE id = ANY ($1::uuid[])
       OR heartbeat_at < clock_timestamp() - make_interval(secs => CASE kind WHEN 'worker' THEN $3::float8 ELSE $2 END)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), dead AS (
    DELETE FROM processes p USING silent WHERE p.id = silent.id RETURNING p.id
), held AS (
    SELECT a.id FROM attempts a
    WHERE a.status = 'running' AND a.process IN (SELECT id FROM dead)
    ORDER BY a.id
    FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE attempts a SET lease_until = now() - interval '1 microsecond' FROM held WHERE a.id = held.id
)
SELECT id FROM dead;

-- name: next_silence
-- Seconds until the supervisor that was heard of longest ago has been silent for $1; the table has a row a process.
SELECT extract(epoch FROM min(heartbeat_at) - clock_timestamp())::float8 + $1::float8
FROM processes
WHERE kind = 'supervisor';

-- name: list_processes
SELECT * FROM processes ORDER BY started_at;
