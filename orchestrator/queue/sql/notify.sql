-- Many notifications in one commit, which does not wait for the disk: what they tell of is committed already.
-- $1: channels, $2: payloads.
SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, payload)
FROM unnest($1::text[], $2::text[]) AS message (channel, payload);
