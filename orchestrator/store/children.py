"""Runs within runs: those that a step began, and those that a person did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain.identity import RunId
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row
from orchestrator.store.runs import RunRow

if TYPE_CHECKING:
    from orchestrator.store.database import Database


async def list_children(database: Database, run_id: RunId, *, tenant: str) -> list[RunRow]:
    """The runs that steps of a tenant's run began, the oldest first, without those below them."""
    return [as_row(RunRow, record) for record in await database.fetch(query("list_children"), run_id, tenant)]


async def list_top_runs(
    database: Database, *, tenant: str | None, status: str | None = None, limit: int = 50
) -> list[RunRow]:
    """The newest runs of a tenant (None: of all), of one status or of all, without those that a step began."""
    records = await database.fetch(query("list_top_runs"), tenant, status, limit)
    return [as_row(RunRow, record) for record in records]
