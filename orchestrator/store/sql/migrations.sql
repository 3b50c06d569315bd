-- name: create_migrations
-- The only table that exists before the first migration.
CREATE SCHEMA IF NOT EXISTS orchestrator;
CREATE TABLE IF NOT EXISTS orchestrator.migrations (
    version     integer PRIMARY KEY,
    name        text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

-- name: current_migration
SELECT coalesce(max(version), 0) FROM orchestrator.migrations;

-- name: record_migration
INSERT INTO orchestrator.migrations (version, name) VALUES ($1, $2);
