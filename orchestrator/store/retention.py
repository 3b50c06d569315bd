"""Retention: deletes what ended long ago, in batches that hold no lock for long, and tells what went."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import asyncpg

from orchestrator.domain.identity import RunId
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database, Record

FAMILIES: Final = 50
"""Runs, with all that hangs on them, that one transaction deletes at the most."""

BLOBS: Final = 1_000
"""Values that one statement sweeps at the most."""

_NO_RUN: Final = RunId(uuid.UUID(int=0))
_LOCK_TIMEOUT: Final = "2s"
"""For the lock on all spans that dropping a day takes: whoever writes spans would wait behind it."""


@dataclass(slots=True)
class Removed:
    """What went, by kind: rows, and the bytes of their contents (the database reuses the room, and keeps its files)."""

    rows: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, rows: int, size: int) -> Self:
        """Count some more."""
        self.rows[kind] += rows
        self.bytes[kind] += size
        return self


async def prune_runs(database: Database, removed: Removed, *, before: float, tenant: str | None, dry_run: bool) -> None:
    """Delete runs that ended before a time, with their child runs and forks and all that is recorded of them.

    A run stays as long as one that hangs on it does: an unfinished child, or a fork that ended later.

    Args:
        database: where they are.
        removed: counts what goes.
        before: Unix seconds.
        tenant: whose runs; None for everybody's.
        dry_run: only count.
    """
    last = _NO_RUN
    while True:
        families = await database.fetch(query("old_families"), before, tenant, last, FAMILIES)
        ids = [run_id for family in families if family["ended"] for run_id in family["ids"]]
        if ids and dry_run:
            _count(removed, await database.fetch(query("count_runs"), ids))
        elif ids:
            async with database.transaction() as connection:
                _count(removed, await _delete(connection, ids))
        if len(families) < FAMILIES:
            return
        last = families[-1]["root"]


async def _delete(connection: Connection, ids: Collection[RunId]) -> Iterable[Record]:
    """Delete runs, or none of them if something was begun meanwhile that hangs on one: the next time will do."""
    held = await connection.fetch(query("lock_ended_runs"), ids)
    if len(held) < len(ids) or await connection.fetchval(query("count_outsiders"), ids):
        return ()
    return await connection.fetch(query("delete_runs"), ids)


def _count(removed: Removed, records: Iterable[Record]) -> None:
    for record in records:
        removed.add(record["kind"], record["rows"], record["bytes"])


async def hold_run(connection: Connection, run_id: RunId) -> bool:
    """Keep a run from being deleted until the caller's transaction ends; whether it is still there."""
    return await connection.fetchval(query("hold_run"), run_id) is not None


async def prune_spans(
    database: Database, removed: Removed, *, before: float, tenant: str | None, dry_run: bool
) -> None:
    """Delete the spans of whole days (UTC) that are over before a time: by dropping them, but for a single tenant."""
    cutoff = datetime.fromtimestamp(before, UTC)
    for day in await database.fetch(query("span_days")):
        name: str = day["name"]
        begun = datetime.strptime(name, "spans_%Y%m%d").replace(tzinfo=UTC)
        if begun + timedelta(days=1) > cutoff:
            return
        if tenant is not None:
            await _prune_day(database, removed, name, tenant, dry_run=dry_run)
            continue
        count = await database.fetchval(f"SELECT count(*) FROM {name}")
        if not dry_run and not await _drop(database, name):
            return
        database.span_days.discard(begun.date())
        removed.add("spans", count, day["bytes"])


async def _prune_day(database: Database, removed: Removed, name: str, tenant: str, *, dry_run: bool) -> None:
    chosen = f"SELECT pg_column_size(t.*) AS bytes FROM {name} t WHERE tenant = $1"
    if not dry_run:
        chosen = f"DELETE FROM {name} t WHERE tenant = $1 RETURNING pg_column_size(t.*) AS bytes"
    found = await database.fetchrow(
        f"WITH gone AS ({chosen}) SELECT count(*) AS rows, coalesce(sum(bytes), 0)::bigint AS bytes FROM gone",
        tenant,
    )
    assert found is not None, "an aggregate has a row"
    removed.add("spans", found["rows"], found["bytes"])


async def _drop(database: Database, name: str) -> bool:
    """Drop a day of spans, unless a long reader is in the way: the next time will do."""
    async with database.connection() as connection:
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
                await connection.execute(f"DROP TABLE {name}")
        except asyncpg.LockNotAvailableError:
            return False
    return True


async def sweep_blobs(
    database: Database, removed: Removed, *, tenant: str | None = None, most: int | None = None, dry_run: bool = False
) -> None:
    """Delete values that no run refers to any more: older than a day, and than every run of their tenant.

    Args:
        database: where they are.
        removed: counts what goes, as `blobs`.
        tenant: whose values; None for everybody's.
        most: so many at the most; None for all.
        dry_run: only count.
    """
    left = most
    for bound in await database.fetch(query("blob_bounds")):
        if tenant not in {None, bound["tenant"]}:
            continue
        place = (bound["tenant"], bound["before"])
        while left is None or left > 0:
            limit = BLOBS if left is None else min(BLOBS, left)
            chosen = (query("count_old_blobs"), *place) if dry_run else (query("sweep_blobs"), *place, limit)
            found = await database.fetchrow(*chosen)
            assert found is not None, "an aggregate has a row"
            removed.add("blobs", found["rows"], found["bytes"])
            left = None if left is None else left - found["rows"]
            if dry_run or found["rows"] < limit:
                break
