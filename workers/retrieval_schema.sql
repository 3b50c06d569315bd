-- The tables of the retrieval workers, in a schema of their own beside the orchestrator's.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE SCHEMA IF NOT EXISTS retrieval;

-- What was indexed, and how: with another model or another way of splitting, everything is embedded anew.
CREATE TABLE IF NOT EXISTS retrieval.indexes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant     text   NOT NULL,
    name       text   NOT NULL,
    model      text   NOT NULL,
    dimensions int    NOT NULL,
    language   text   NOT NULL,
    splitting  text   NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE IF NOT EXISTS retrieval.documents (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_id   bigint NOT NULL REFERENCES retrieval.indexes ON DELETE CASCADE,
    path       text   NOT NULL,
    sha256     text   NOT NULL,
    characters int    NOT NULL,
    UNIQUE (index_id, path)
);

-- `embedding` has no fixed length, as each index has its model's; a large index gets an HNSW index of its own.
CREATE TABLE IF NOT EXISTS retrieval.passages (
    id          bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    index_id    bigint   NOT NULL,
    document_id bigint   NOT NULL REFERENCES retrieval.documents ON DELETE CASCADE,
    start       int      NOT NULL,
    stop        int      NOT NULL,
    heading     text     NOT NULL,
    page        int,
    body        text     NOT NULL,
    words       tsvector NOT NULL,
    embedding   vector   NOT NULL
);

CREATE INDEX IF NOT EXISTS passages_document ON retrieval.passages (document_id);
CREATE INDEX IF NOT EXISTS passages_index    ON retrieval.passages (index_id);
CREATE INDEX IF NOT EXISTS passages_words    ON retrieval.passages USING gin (words);
