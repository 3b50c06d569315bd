"""Postgres: the schema and its migrations, one module a table, the checkpoint saver, the embedded server."""

from typing import TYPE_CHECKING, Any

from orchestrator.store.database import Database
from orchestrator.store.embedded import EmbeddedPostgres
from orchestrator.store.migrations import MigrationStatus, migrate, require_current, status

if TYPE_CHECKING:
    from orchestrator.store.saver import AsyncpgSaver as AsyncpgSaver

__all__ = [
    "AsyncpgSaver",
    "Database",
    "EmbeddedPostgres",
    "MigrationStatus",
    "migrate",
    "require_current",
    "status",
]


def __getattr__(name: str) -> Any:
    # The saver brings LangGraph with it, half a second that a client or `orchestrator db` need not wait for.
    if name == "AsyncpgSaver":
        from orchestrator.store.saver import AsyncpgSaver

        return AsyncpgSaver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
