"""How the pools stand, for people: depth, waits, and who serves them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.store.queries import query
from orchestrator.store.rows import as_row

if TYPE_CHECKING:
    from orchestrator.store.database import Database

RECENT = 300.0
"""Seconds over which waits are counted."""


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """One pool, over all tenants. All times are seconds.

    Attributes:
        queued: attempts that wait; `due` of them may run now.
        oldest_wait: of the one that is due longest, None where none is.
        claimed: attempts that were claimed lately.
        wait_p50, wait_p95: what those had waited since they were due.
        processes: worker processes that serve it.
        slots: attempts that those can run at once, in all the pools that they serve.
    """

    pool: str
    queued: int
    due: int
    oldest_wait: float | None
    running: int
    claimed: int
    wait_p50: float | None
    wait_p95: float | None
    processes: int
    slots: int


async def pool_figures(
    database: Database, *, dead_after: float, recent: float = RECENT, also: Collection[str] = ()
) -> list[PoolFigures]:
    """Every pool that has attempts or that somebody serves, by name.

    Args:
        database: where the attempts are.
        dead_after: seconds of silence after which a process counts no longer.
        recent: over how many seconds waits are counted.
        also: pools that are to be there in any case.
    """
    records = await database.fetch(query("pool_figures"), recent, dead_after, list(also))
    return [as_row(PoolFigures, record) for record in records]
