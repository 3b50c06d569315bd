-- The whole schema. `migrations/` leads here step by step, and a test proves that it does.
-- Every connection has search_path = orchestrator, public. PgQueuer installs its own tables beside these.

-- Which migrations have been applied.
CREATE TABLE migrations (
    version     integer PRIMARY KEY,
    name        text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

-- A workflow as it was compiled, pinned by the sha256 of its definition. `json`, not `jsonb`: the steps keep
-- the order of the file.
CREATE TABLE workflows (
    sha256      bytea PRIMARY KEY,
    name        text NOT NULL,
    version     text NOT NULL,
    definition  json NOT NULL,
    source      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX workflows_name ON workflows (name, created_at DESC);

-- What can be called: published by every process that opens a project.
CREATE TABLE workers (
    name         text PRIMARY KEY,
    card         jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

-- JSON values, stored once by content within a tenant.
CREATE TABLE blobs (
    tenant  text NOT NULL,
    sha256  bytea NOT NULL,
    size    integer NOT NULL,
    data    bytea NOT NULL,
    put_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, sha256)
);
-- Finds what is old without a cost to what is put.
CREATE INDEX blobs_by_age ON blobs USING brin (put_at);

-- One heartbeat row a process, however many runs or attempts it holds.
CREATE TABLE processes (
    id            uuid PRIMARY KEY,
    kind          text NOT NULL,
    host          text NOT NULL,
    pid           integer NOT NULL,
    pools         text[] NOT NULL DEFAULT '{}',
    started_at    timestamptz NOT NULL DEFAULT now(),
    heartbeat_at  timestamptz NOT NULL DEFAULT now(),
    slots         integer NOT NULL DEFAULT 0
);

CREATE TABLE runs (
    id               uuid PRIMARY KEY,
    tenant           text NOT NULL,
    workflow_sha256  bytea NOT NULL REFERENCES workflows (sha256),
    workflow         text NOT NULL,
    version          text NOT NULL,
    status           text NOT NULL DEFAULT 'queued'
                     CHECK (status IN
                     ('queued', 'running', 'paused', 'cancelling', 'succeeded', 'failed', 'cancelled')),
    inputs           bytea NOT NULL,
    output           bytea,
    error            jsonb,
    priority         integer NOT NULL DEFAULT 0,
    idempotency_key  text,
    parent_run       uuid REFERENCES runs (id),
    parent_step      text,
    budget           jsonb,
    forked_from      uuid,
    fork             jsonb,
    owner            uuid,
    epoch            bigint NOT NULL DEFAULT 0,
    parked           boolean NOT NULL DEFAULT false,
    wake_at          timestamptz,
    traceparent      text,
    input_tokens     bigint NOT NULL DEFAULT 0,
    output_tokens    bigint NOT NULL DEFAULT 0,
    cost_usd         double precision,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    UNIQUE (tenant, idempotency_key)
);
CREATE INDEX runs_by_tenant ON runs (tenant, created_at DESC);
CREATE INDEX runs_by_workflow ON runs (tenant, workflow, created_at DESC);
CREATE INDEX runs_by_parent ON runs (parent_run) WHERE parent_run IS NOT NULL;
CREATE INDEX runs_unfinished ON runs (owner) WHERE finished_at IS NULL;
CREATE INDEX runs_by_source ON runs (forked_from) WHERE forked_from IS NOT NULL;

-- Where each step stands, for people: the supervisor's projection, never read back by it.
CREATE TABLE steps (
    run_id         uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step           text NOT NULL,
    tenant         text NOT NULL,
    position       integer NOT NULL,
    kind           text NOT NULL,
    worker         text NOT NULL DEFAULT '',
    pool           text NOT NULL DEFAULT '',
    status         text NOT NULL
                   CHECK (status IN ('waiting', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')),
    reason         text NOT NULL DEFAULT '',
    items_total    integer,
    items_done     integer NOT NULL DEFAULT 0,
    items_failed   integer NOT NULL DEFAULT 0,
    attempts       integer NOT NULL DEFAULT 0,
    output         bytea,
    error          jsonb,
    dead           boolean NOT NULL DEFAULT false,
    reused_from    uuid,
    started_at     timestamptz,
    finished_at    timestamptz,
    PRIMARY KEY (run_id, step)
);
CREATE INDEX steps_dead ON steps (run_id) WHERE dead;

-- The truth about every try. A queue job is only a permit to claim one of these. What is 'waiting' waits for a person,
-- or for the end of the child run that has its id; nobody claims it.
CREATE TABLE attempts (
    id               uuid PRIMARY KEY,
    run_id           uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    tenant           text NOT NULL,
    step             text NOT NULL,
    item             integer NOT NULL DEFAULT -1,
    number           integer NOT NULL,
    purpose          text NOT NULL CHECK (purpose IN ('work', 'validate')),
    validator        text NOT NULL DEFAULT '',
    judges           uuid,
    worker           text NOT NULL,
    pool             text NOT NULL,
    priority         integer NOT NULL DEFAULT 0,
    input            bytea NOT NULL,
    options          jsonb NOT NULL DEFAULT '{}',
    idempotency_key  text NOT NULL DEFAULT '',
    traceparent      text NOT NULL DEFAULT '',
    timeout          double precision,
    idle             double precision,
    status           text NOT NULL DEFAULT 'queued' CHECK (status IN
                     ('queued', 'waiting', 'running', 'succeeded', 'failed', 'lost', 'timed_out', 'cancelled')),
    cancel_requested boolean NOT NULL DEFAULT false,
    superseded       boolean NOT NULL DEFAULT false,
    token            integer NOT NULL DEFAULT 0,
    process          uuid,
    lease_until      timestamptz,
    output           bytea,
    error            jsonb,
    progress         real,
    heartbeat        jsonb,
    heartbeat_at     timestamptz,
    input_tokens     bigint NOT NULL DEFAULT 0,
    output_tokens    bigint NOT NULL DEFAULT 0,
    cost_usd         double precision,
    model_calls      integer NOT NULL DEFAULT 0,
    queued_at        timestamptz NOT NULL DEFAULT now(),
    not_before       timestamptz NOT NULL DEFAULT now(),
    claimed_at       timestamptz,
    finished_at      timestamptz,
    rate_key         text
);
-- The two orders in which the attempts of a tenant are claimed.
CREATE INDEX attempts_claim ON attempts (pool, tenant, priority DESC, not_before, id) WHERE status = 'queued';
CREATE INDEX attempts_waited ON attempts (pool, tenant, not_before, id) WHERE status = 'queued';
-- Steps with a rate of their own, and what limits are counted by.
CREATE INDEX attempts_rated ON attempts (pool, rate_key) WHERE status = 'queued' AND rate_key IS NOT NULL;
CREATE INDEX attempts_running ON attempts (pool, worker, tenant) WHERE status = 'running';
-- Finds recent claims without a cost to what is claimed.
CREATE INDEX attempts_by_claim ON attempts USING brin (claimed_at) WITH (autosummarize = on);
CREATE INDEX attempts_waiting ON attempts (run_id) WHERE status = 'waiting';
CREATE INDEX attempts_leases ON attempts (lease_until) WHERE status = 'running';
CREATE INDEX attempts_by_run ON attempts (run_id, step, item, number);

-- Where the schedule of each rate stands: when the next attempt under it would begin, if all came evenly.
CREATE TABLE rates (
    name     text PRIMARY KEY,
    next_at  timestamptz NOT NULL
);

CREATE TABLE verdicts (
    attempt_id  uuid NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    validator   text NOT NULL,
    run_id      uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    tenant      text NOT NULL,
    passed      boolean NOT NULL,
    score       double precision,
    message     text NOT NULL DEFAULT '',
    evidence    jsonb,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (attempt_id, validator)
);
CREATE INDEX verdicts_by_run ON verdicts (run_id);

-- What wakes a run. Rows go once the checkpoint that folded them in is durable.
CREATE TABLE inbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('outcome', 'cancel', 'answer')),
    attempt_id  uuid,
    payload     jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_by_run ON inbox (run_id);

-- Append-only. Readers page by (xact, id) below pg_snapshot_xmin, or they miss rows that commit late.
CREATE TABLE events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xact        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    run_id      uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    tenant      text NOT NULL,
    kind        text NOT NULL,
    step        text NOT NULL DEFAULT '',
    item        integer NOT NULL DEFAULT -1,
    attempt_id  uuid,
    data        jsonb NOT NULL DEFAULT '{}',
    key         text,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (run_id, key)
);
CREATE INDEX events_by_run ON events (run_id, xact, id);

-- The effect ledger: claimed before the effect, confirmed after it.
CREATE TABLE effects (
    run_id      uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step        text NOT NULL,
    item        integer NOT NULL,
    key         text NOT NULL,
    tenant      text NOT NULL,
    attempt_id  uuid NOT NULL,
    state       text NOT NULL CHECK (state IN ('claimed', 'confirmed')),
    result      jsonb,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz,
    PRIMARY KEY (run_id, step, item, key)
);

-- LangGraph's checkpoints. These three know nothing of runs: anybody's graph can use them, also in a database
-- where the saver made them before the first migration.
-- `checkpoint` is LangGraph's own structure, with short plain channel values in it; every other value lies in
-- `checkpoint_blobs`, once for each version of its channel.
CREATE TABLE IF NOT EXISTS checkpoints (
    thread_id             text NOT NULL,
    checkpoint_ns         text NOT NULL DEFAULT '',
    checkpoint_id         text NOT NULL,
    parent_checkpoint_id  text,
    checkpoint            jsonb NOT NULL,
    metadata              jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE IF NOT EXISTS checkpoint_blobs (
    thread_id      text NOT NULL,
    checkpoint_ns  text NOT NULL DEFAULT '',
    channel        text NOT NULL,
    version        text NOT NULL,
    type           text NOT NULL,
    data           bytea NOT NULL,
    PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
);
CREATE TABLE IF NOT EXISTS checkpoint_writes (
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

-- OpenTelemetry spans, partitioned by day (UTC) so that old ones go cheaply. The writer makes the partitions;
-- there is no default one, since it would have to be searched and locked whenever a day is added.
CREATE TABLE spans (
    started_at  timestamptz NOT NULL,
    trace_id    bytea NOT NULL,
    span_id     bytea NOT NULL,
    parent_id   bytea,
    tenant      text NOT NULL,
    run_id      uuid,
    attempt_id  uuid,
    name        text NOT NULL,
    kind        text NOT NULL,
    ended_at    timestamptz NOT NULL,
    status      text NOT NULL,
    status_message text NOT NULL DEFAULT '',
    attributes  jsonb NOT NULL DEFAULT '{}',
    events      jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (started_at, trace_id, span_id)
) PARTITION BY RANGE (started_at);
CREATE INDEX spans_by_trace ON spans (trace_id);
CREATE INDEX spans_by_run ON spans (run_id, started_at);
