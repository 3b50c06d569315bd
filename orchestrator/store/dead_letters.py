"""Runs that failed because a step's tries were used up by what is not its own fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.store.queries import query
from orchestrator.store.rows import as_row
from orchestrator.store.runs import RunRow

if TYPE_CHECKING:
    from orchestrator.store.database import Database


async def list_dead_runs(database: Database, *, tenant: str | None, limit: int = 50) -> list[RunRow]:
    """The newest such runs of a tenant (None: of all), also those that a step began."""
    return [as_row(RunRow, record) for record in await database.fetch(query("list_dead_runs"), tenant, limit)]
