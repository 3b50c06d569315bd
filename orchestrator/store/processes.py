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


async def register(database: Database, process_id: ProcessId, kind: str, pools: Collection[str] = ()) -> None:
    """Enter this process, alive from now on.

    Args:
        database: where it works.
        process_id: a new one; it is never used again after the process was declared dead.
        kind: `supervisor`, `worker` …
        pools: the pools that it serves.
    """
    await database.execute(
        query("register_process"), process_id, kind, socket.gethostname(), os.getpid(), sorted(pools)
    )


async def beat(database: Database, process_id: ProcessId) -> bool:
    """Show that the process lives; False if it was declared dead meanwhile, so that it must drop what it holds."""
    return await database.fetchval(query("beat"), process_id) is not None


async def unregister(database: Database, process_id: ProcessId) -> None:
    """Take the process out: what it still owned or held is free at once."""
    await database.fetch(query("bury_processes"), [process_id], None)


async def reap(database: Database, dead_after: float) -> list[ProcessId]:
    """Take out the processes that have been silent for `dead_after` seconds; the leases that they held end."""
    records = await database.fetch(query("bury_processes"), None, dead_after)
    return [ProcessId(record["id"]) for record in records]


async def list_processes(database: Database) -> list[ProcessRow]:
    """The registered processes, the oldest first."""
    return [as_row(ProcessRow, record) for record in await database.fetch(query("list_processes"))]
