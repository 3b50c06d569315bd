"""Processes that hold runs or attempts: one heartbeat row each."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.identity import ProcessId
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row

if TYPE_CHECKING:
    from orchestrator.store.database import Database


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One row of `processes`; times are Unix seconds."""

    id: ProcessId
    kind: str
    host: str
    pid: int
    pools: list[str]
    started_at: float
    heartbeat_at: float
    slots: int


async def register(
    database: Database, process_id: ProcessId, kind: str, pools: Collection[str] = (), slots: int = 0
) -> None:
    """Enter this process, alive from now on.

    Args:
        database: where it works.
        process_id: a new one; it is never used again after the process was declared dead.
        kind: `supervisor`, `worker` …
        pools: the pools that it serves.
        slots: attempts that it runs at once, in all of them.
    """
    await database.execute(
        query("register_process"), process_id, kind, socket.gethostname(), os.getpid(), sorted(pools), slots
    )


async def beat(database: Database, process_id: ProcessId) -> int | None:
    """Show that the process lives.

    Returns:
        How many processes serve any of its pools, itself among them (100 at the most); None if it was declared dead
        meanwhile, so that it must drop what it holds.
    """
    peers: int | None = await database.fetchval(query("beat"), process_id)
    return peers


async def unregister(database: Database, process_id: ProcessId) -> None:
    """Take the process out: what it still owned or held is free at once."""
    await database.fetch(query("bury_processes"), [process_id], None, None)


async def reap(database: Database, dead_after: float, workers: float | None = None) -> list[ProcessId]:
    """Take out the processes that have been silent for too long; the leases that they held end.

    Args:
        database: where they work.
        dead_after: seconds.
        workers: the same for workers; None for no other than `dead_after`.
    """
    limit = dead_after if workers is None else workers
    return [
        ProcessId(record["id"]) for record in await database.fetch(query("bury_processes"), None, dead_after, limit)
    ]


async def next_silence(database: Database, dead_after: float) -> float | None:
    """Seconds until the next supervisor counts as dead, unless it is heard of before; None where there is none."""
    seconds: float | None = await database.fetchval(query("next_silence"), dead_after)
    return seconds


async def list_processes(database: Database) -> list[ProcessRow]:
    """The registered processes, the oldest first."""
    return [as_row(ProcessRow, record) for record in await database.fetch(query("list_processes"))]
