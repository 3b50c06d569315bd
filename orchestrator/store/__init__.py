"""Postgres: the schema and its migrations, one module a table, the checkpoint saver, the embedded server."""

from orchestrator.store.database import Database
from orchestrator.store.embedded import EmbeddedPostgres
from orchestrator.store.migrations import MigrationStatus, migrate, require_current, status

__all__ = ["Database", "EmbeddedPostgres", "MigrationStatus", "migrate", "require_current", "status"]
