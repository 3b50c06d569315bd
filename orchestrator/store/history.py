"""What past runs of a workflow came to, step by step, for `orchestrator plan`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from orchestrator.domain.history import StepHistory
from orchestrator.errors import SchemaOutOfDate
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row

if TYPE_CHECKING:
    from orchestrator.store.database import Database


async def worker_costs(database: Database, workers: Sequence[str], *, tenant: str, runs: int = 200) -> dict[str, float]:
    """What an attempt of each worker has cost in a tenant's newest `runs` runs, the mean in USD.

    A worker without such attempts is left out, and so is one whose calls have no known price.
    """
    records = await database.fetch(query("worker_costs"), tenant, list(workers), runs)
    return {row["worker"]: row["cost_usd"] for row in records if row["cost_usd"] is not None}


async def step_history(database: Database, workflow: str, *, tenant: str, runs: int = 50) -> list[StepHistory]:
    """The steps of a tenant's newest `runs` succeeded runs of a workflow; one entry for a step and its worker.

    Raises:
        SchemaOutOfDate: the database has no such tables.
    """
    try:
        records = await database.fetch(query("step_history"), tenant, workflow, runs)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise SchemaOutOfDate("the database has no runs of this package's schema") from error
    return [as_row(StepHistory, record) for record in records]
