-- name: put_blobs
-- A value that is fresh is not written: an upsert would lock its row, and everybody who puts the same small value
-- at once would wait for one another.
INSERT INTO blobs (tenant, sha256, size, data)
SELECT $1, new.sha256, length(new.data), new.data
FROM unnest($2::bytea[], $3::bytea[]) AS new (sha256, data)
WHERE NOT EXISTS (
    SELECT FROM blobs b WHERE b.tenant = $1 AND b.sha256 = new.sha256 AND b.put_at > now() - interval '1 hour'
)
ORDER BY new.sha256
ON CONFLICT (tenant, sha256) DO UPDATE SET put_at = now();

-- name: get_blobs
SELECT sha256, data FROM blobs WHERE tenant = $1 AND sha256 = ANY ($2::bytea[]);
