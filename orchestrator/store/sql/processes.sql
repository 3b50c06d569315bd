-- name: register_process
INSERT INTO processes (id, kind, host, pid, pools) VALUES ($1, $2, $3, $4, $5);

-- name: beat
UPDATE processes SET heartbeat_at = clock_timestamp() WHERE id = $1 RETURNING id;

-- name: bury_processes
-- $1 these processes, or $2 those that have been silent for so many seconds. Ending their leases leaves it to
-- `expire_leases` to declare their attempts lost.
WITH silent AS (
    SELECT id FROM processes
    WHERE id = ANY ($1::uuid[]) OR heartbeat_at < clock_timestamp() - make_interval(secs => $2)
    ORDER BY id
    FOR UPDATE SKIP LOCKED
), dead AS (
    DELETE FROM processes p USING silent WHERE p.id = silent.id RETURNING p.id
), held AS (
    SELECT a.id FROM attempts a
    WHERE a.status = 'running' AND a.process IN (SELECT id FROM dead)
    ORDER BY a.id
    FOR UPDATE
), ended AS (
    UPDATE attempts a SET lease_until = now() - interval '1 microsecond' FROM held WHERE a.id = held.id
)
SELECT id FROM dead;

-- name: list_processes
SELECT * FROM processes ORDER BY started_at;
