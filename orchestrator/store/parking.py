"""Runs that nobody hosts: how they are taken, parked and handed back, and whether somebody is to be found for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.errors import Fenced
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row
from orchestrator.store.runs import Ownership, RunRow

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database, Record


async def park_run(database: Database, run_id: RunId, epoch: int, wake_at: float | None) -> bool:
    """Leave a run to its rows, unless something is in its inbox.

    Args:
        database: where the run is.
        run_id: the run.
        epoch: under which this process owns it.
        wake_at: when its next timer ends (Unix seconds), None where it has none.

    Returns:
        Whether it is parked; else its inbox is to be read.

    Raises:
        Fenced: this process owns it no longer.
    """
    parked: bool | None = await database.fetchval(query("park_run"), run_id, epoch, wake_at)
    if parked is None:
        raise Fenced(f"run {run_id} is no longer owned with epoch {epoch}")
    return parked


async def take_runs(
    database: Database, wanted: Sequence[tuple[RunId, ProcessId]], *, dead_after: float
) -> list[Ownership | None]:
    """Take several runs, each for the process beside it, as `take_ownership` does with one."""
    taken: dict[tuple[RunId, ProcessId], Ownership] = {}
    for process in dict.fromkeys(process for _, process in wanted):
        run_ids = [run_id for run_id, whose in wanted if whose == process]
        for record in await database.fetch(query("take_runs"), run_ids, process, dead_after):
            taken[RunId(record["id"]), process] = Ownership(as_row(RunRow, record), record["epoch"])
    return [taken.pop(each, None) for each in wanted]


async def unowned(connection: Connection, run_ids: Collection[RunId]) -> list[tuple[RunId, int]]:
    """Those of `run_ids` that have no owner and have not ended, each with its priority: they want a run job."""
    return _jobs(await connection.fetch(query("unowned_runs"), list(run_ids)))


async def release_runs(connection: Connection, held: Collection[tuple[RunId, int]]) -> list[tuple[RunId, int]]:
    """Hand unfinished runs back, so that anybody may take them.

    Args:
        connection: in the caller's transaction.
        held: runs, each with the epoch under which this process owns it; those that it owns no longer are left alone.

    Returns:
        The runs that are free now, each with its priority.
    """
    return _jobs(await connection.fetch(query("release_runs"), [run for run, _ in held], [epoch for _, epoch in held]))


def _jobs(records: Collection[Record]) -> list[tuple[RunId, int]]:
    return [(RunId(record["id"]), record["priority"]) for record in records]
