"""What waits and runs in pools: what their processes are scaled by."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from orchestrator.domain.scaling import PoolLoad
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Database

Member = tuple[str, int]
"""A process as `processes` names it: its host and its process id there."""

MOST_COUNTED = 10_000
"""Queued attempts of a pool that are counted; counting so many takes some 25 ms."""


async def pool_loads(
    database: Database, pools: Collection[str], members: Collection[Member], *, dead_after: float
) -> dict[str, PoolLoad]:
    """How each pool stands now, in one query.

    Args:
        database: where the attempts are.
        pools: their names; one without attempts has an empty load.
        members: the processes whose attempts are `running`, and who are counted as `serving` once they are up.
        dead_after: seconds of silence after which one of them counts no longer.
    """
    hosts, pids = [host for host, _ in members], [pid for _, pid in members]
    records = await database.fetch(query("pool_loads"), list(pools), hosts, pids, dead_after, MOST_COUNTED)
    return {
        record["pool"]: PoolLoad(record["queued"], record["running"], record["wait"], record["serving"])
        for record in records
    }


async def engaged_members(database: Database, members: Collection[Member], *, longer_than: float) -> frozenset[Member]:
    """Which of these processes hold an attempt that has run for more than so many seconds."""
    hosts, pids = [host for host, _ in members], [pid for _, pid in members]
    records = await database.fetch(query("engaged_members"), hosts, pids, longer_than)
    return frozenset((record["host"], record["pid"]) for record in records)
