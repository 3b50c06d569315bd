"""Puts run jobs and permits into the queue, inside the caller's transaction. Wake the channels after its commit."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from orchestrator.domain.identity import RunId
from orchestrator.queue.channels import RUN_ENTRYPOINT, pool_entrypoint
from orchestrator.queue.installation import queries_on
from orchestrator.queue.statements import statement

if TYPE_CHECKING:
    import asyncpg

_PRUNE_BATCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave for one worker of `pool` to claim one attempt; `delay` in seconds before it may be used."""

    pool: str
    priority: int = 0
    delay: float = 0.0


async def enqueue_run_jobs(connection: asyncpg.Connection, jobs: Iterable[tuple[RunId, int]]) -> None:
    """Queue one job for each (run, priority), unless one is queued already.

    A job that somebody has picked does not count: it may be in the hands of a process that is gone. A queued
    one is kept from being picked before the caller's commit. A run may for a moment have two jobs, which is
    harmless, because ownership is taken conditionally.

    Args:
        connection: in the caller's transaction; notify `RUN_CHANNEL` after its commit.
        jobs: higher priority first to be picked.
    """
    priorities = {run_id.bytes: priority for run_id, priority in jobs}
    if not priorities:
        return
    for row in await connection.fetch(statement("hold_queued_run_jobs"), list(priorities)):
        priorities.pop(row["payload"], None)
    if priorities:
        await queries_on(connection).enqueue([RUN_ENTRYPOINT] * len(priorities), [*priorities], [*priorities.values()])


async def enqueue_permits(connection: asyncpg.Connection, permits: Sequence[Permit]) -> None:
    """Queue permits, one for every attempt that was inserted.

    Args:
        connection: in the caller's transaction; notify every `pool_channel` after its commit, also for
            delayed permits, because an idle consumer must learn when to wake.
        permits: interchangeable within a pool, so none is a duplicate.
    """
    if not permits:
        return
    await queries_on(connection).enqueue(
        [pool_entrypoint(permit.pool) for permit in permits],
        [None] * len(permits),
        [permit.priority for permit in permits],
        execute_after=[timedelta(seconds=permit.delay) for permit in permits],
    )


def read_run_job(payload: bytes | None) -> RunId:
    """The run that a run job is for.

    Raises:
        ValueError: the payload is not that of a run job.
    """
    return RunId(uuid.UUID(bytes=payload or b""))


async def waiting_permits(connection: asyncpg.Connection | asyncpg.Pool, pools: Iterable[str]) -> dict[str, int]:
    """How many permits of each pool may be used now; the sweeper compares them with the queued attempts."""
    names = {pool_entrypoint(pool): pool for pool in pools}
    rows = await connection.fetch(statement("waiting_jobs"), list(names))
    return dict.fromkeys(names.values(), 0) | {names[row["entrypoint"]]: row["jobs"] for row in rows}


async def prune(pool: asyncpg.Pool, *, older_than: float) -> int:
    """Delete PgQueuer's log rows that are older than `older_than` seconds; returns how many."""
    deleted = 0
    while True:
        done = await pool.execute(statement("prune_log"), older_than, _PRUNE_BATCH)
        batch = int(done.removeprefix("DELETE "))
        deleted += batch
        if batch < _PRUNE_BATCH:
            return deleted
