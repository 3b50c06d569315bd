-- Everything that the first version stores; what each table is for stands in schema.sql.

CREATE TABLE workflows (
    sha256      bytea PRIMARY KEY,
    name        text NOT NULL,
    version     text NOT NULL,
    definition  json NOT NULL,
    source      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX workflows_name ON workflows (name, created_at DESC);

CREATE TABLE workers (
    name         text PRIMARY KEY,
    card         jsonb NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE blobs (
    tenant  text NOT NULL,
    sha256  bytea NOT NULL,
    size    integer NOT NULL,
    data    bytea NOT NULL,
    put_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, sha256)
);
CREATE INDEX blobs_by_age ON blobs USING brin (put_at);

CREATE TABLE processes (
    id            uuid PRIMARY KEY,
    kind          text NOT NULL,
    host          text NOT NULL,
    pid           integer NOT NULL,
    pools         text[] NOT NULL DEFAULT '{}',
    started_at    timestamptz NOT NULL DEFAULT now(),
    heartbeat_at  timestamptz NOT NULL DEFAULT now()
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
    finished_at      timestamptz
);
CREATE INDEX attempts_claim ON attempts (pool, priority DESC, not_before, id) WHERE status = 'queued';
CREATE INDEX attempts_waiting ON attempts (run_id) WHERE status = 'waiting';
CREATE INDEX attempts_leases ON attempts (lease_until) WHERE status = 'running';
CREATE INDEX attempts_by_run ON attempts (run_id, step, item, number);

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

CREATE TABLE inbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      uuid NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('outcome', 'cancel', 'answer')),
    attempt_id  uuid,
    payload     jsonb,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_by_run ON inbox (run_id);

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
