"""Installs PgQueuer's tables beside ours, brings them up to date, and silences its trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries

from orchestrator.queue.settings import QUEUE_SETTINGS
from orchestrator.queue.statements import statement

if TYPE_CHECKING:
    import asyncpg


def queries_on(connection: asyncpg.Connection) -> Queries:
    """PgQueuer's queries on `connection`: they join the transaction that it is in."""
    return Queries(
        AsyncpgDriver(connection),
        qbe=QueryBuilderEnvironment(QUEUE_SETTINGS),
        qbq=QueryQueueBuilder(QUEUE_SETTINGS),
        qbs=QuerySchedulerBuilder(QUEUE_SETTINGS),
    )


async def install(connection: asyncpg.Connection) -> None:
    """Create PgQueuer's tables in the schema `orchestrator`, or bring older ones up to date.

    Repeating it changes nothing.

    Args:
        connection: not in a transaction (an upgrade may add enum labels, which cannot be used in the
            transaction that adds them); the caller holds the lock that keeps out a second installation.
    """
    queries = queries_on(connection)
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        await queries.install()
    await connection.execute(statement("tune"))
