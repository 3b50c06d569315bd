"""Where each step of a run stands, for people: written by the run's supervisor, never read back by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.identity import RunId
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.store.jsonb import clean_text
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row, digest, write_error

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of `steps`: times in Unix seconds, `output` the digest of its blob in hex.

    `position` is the step's place in the workflow's file, from 0. `items_total` is None without `foreach`. A `dead`
    step failed because its tries were used up; one with `reused_from` was carried out by that run.
    """

    run_id: RunId
    step: str
    tenant: str
    position: int
    kind: str
    status: str
    worker: str = ""
    pool: str = ""
    reason: str = ""
    items_total: int | None = None
    items_done: int = 0
    items_failed: int = 0
    attempts: int = 0
    output: str | None = None
    error: ErrorInfo | None = None
    dead: bool = False
    reused_from: RunId | None = None
    started_at: float | None = None
    finished_at: float | None = None


def step_columns(rows: Sequence[StepRow]) -> tuple[list[Any], ...]:
    """One list a column, in the order of the block `write_supersteps`."""
    return (
        [row.run_id for row in rows],
        [row.step for row in rows],
        [row.position for row in rows],
        [row.kind for row in rows],
        [row.worker for row in rows],
        [row.pool for row in rows],
        [row.status for row in rows],
        [clean_text(row.reason) for row in rows],
        [row.items_total for row in rows],
        [row.items_done for row in rows],
        [row.items_failed for row in rows],
        [row.attempts for row in rows],
        [digest(row.output) for row in rows],
        [write_error(row.error) for row in rows],
        [row.dead for row in rows],
        [row.reused_from for row in rows],
        [row.started_at for row in rows],
        [row.finished_at for row in rows],
    )


async def list_steps(database: Database, run_id: RunId, *, tenant: str) -> list[StepRow]:
    """The steps of a tenant's run in the order of its file."""
    return [as_row(StepRow, record) for record in await database.fetch(query("list_steps"), run_id, tenant)]


async def end_open_steps(connection: Connection, run_id: RunId, *, reason: str) -> None:
    """Show every step that has no outcome yet as cancelled, for a run that is given up."""
    await connection.execute(query("end_open_steps"), run_id, reason)
