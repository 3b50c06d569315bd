-- Claims go by tenant, by priority or by waiting time; a step may have a rate of its own; running attempts are counted for
-- limits; recent claims are found for `orchestrator pools`.
ALTER TABLE attempts ADD COLUMN rate_key text;
DROP INDEX attempts_claim;
CREATE INDEX attempts_claim ON attempts (pool, tenant, priority DESC, not_before, id) WHERE status = 'queued';
CREATE INDEX attempts_waited ON attempts (pool, tenant, not_before, id) WHERE status = 'queued';
CREATE INDEX attempts_rated ON attempts (pool, rate_key) WHERE status = 'queued' AND rate_key IS NOT NULL;
CREATE INDEX attempts_running ON attempts (pool, worker, tenant) WHERE status = 'running';
CREATE INDEX attempts_by_claim ON attempts USING brin (claimed_at) WITH (autosummarize = on);

CREATE TABLE rates (
    name     text PRIMARY KEY,
    next_at  timestamptz NOT NULL
);

ALTER TABLE processes ADD COLUMN slots integer NOT NULL DEFAULT 0;
