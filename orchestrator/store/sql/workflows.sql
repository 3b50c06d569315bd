-- name: same_label
-- The other definitions under a name and version, the newest first, and how many unfinished runs of the tenant hold each.
-- Mostly there is none, and then `runs` is not read.
SELECT encode(w.sha256, 'hex') AS sha256, held.runs, held.ids
FROM workflows w
CROSS JOIN LATERAL (
    SELECT count(*) AS runs, (array_agg(r.id ORDER BY r.created_at))[1:3] AS ids
    FROM runs r
    WHERE r.workflow_sha256 = w.sha256 AND r.tenant = $4 AND r.finished_at IS NULL
) AS held
WHERE w.name = $1 AND w.version = $2 AND w.sha256 <> $3
ORDER BY w.created_at DESC, w.sha256;

-- name: pinned_by_runs
-- The partial index `runs_unfinished` holds the runs that are not finished.
SELECT encode(r.workflow_sha256, 'hex') AS sha256, r.version, count(*) AS runs,
       (array_agg(r.id ORDER BY r.created_at))[1:3] AS ids
FROM runs r
WHERE r.finished_at IS NULL AND r.workflow = $1 AND ($2::text IS NULL OR r.tenant = $2)
GROUP BY r.workflow_sha256, r.version
ORDER BY min(r.created_at);
