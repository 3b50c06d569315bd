"""Finished spans, partitioned by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from orchestrator.domain.identity import RunId
from orchestrator.domain.span import SpanEvent, SpanRow
from orchestrator.store.jsonb import clean_text, from_jsonb, to_jsonb
from orchestrator.store.migrations import SCHEMA_LOCK
from orchestrator.store.queries import query
from orchestrator.store.rows import digest

if TYPE_CHECKING:
    from orchestrator.store.database import Database, Record


async def insert_spans(database: Database, spans: Sequence[SpanRow]) -> None:
    """Store spans; one that is there already is left as it is. Partitions are made as they are needed."""
    if not spans:
        return
    await _ensure_days(database, {_day(span.started_at) for span in spans})
    try:
        await _insert(database, spans)
    except asyncpg.CheckViolationError:  # a day that was known is gone: spans of its time have been pruned
        database.span_days.clear()
        await _ensure_days(database, {_day(span.started_at) for span in spans})
        await _insert(database, spans)


async def _insert(database: Database, spans: Sequence[SpanRow]) -> None:
    await database.execute(
        query("insert_spans"),
        [span.started_at for span in spans],
        [digest(span.trace_id) for span in spans],
        [digest(span.span_id) for span in spans],
        [digest(span.parent_id) for span in spans],
        [span.tenant for span in spans],
        [span.run_id for span in spans],
        [span.attempt_id for span in spans],
        [clean_text(span.name) for span in spans],
        [span.kind for span in spans],
        [span.ended_at for span in spans],
        [span.status for span in spans],
        [clean_text(span.status_message) for span in spans],
        [to_jsonb(span.attributes) for span in spans],
        [to_jsonb([event.as_json() for event in span.events]) for span in spans],
    )


async def list_spans(database: Database, run_id: RunId, *, tenant: str) -> list[SpanRow]:
    """The spans of a tenant's run in the order in which they began."""
    return [_row(record) for record in await database.fetch(query("list_spans"), run_id, tenant)]


async def _ensure_days(database: Database, days: set[date]) -> None:
    missing = days - database.span_days
    if not missing:
        return
    # The day after, too: at midnight nobody then waits for a partition.
    wanted = missing | {day + timedelta(days=1) for day in missing}
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
        for day in sorted(wanted):
            name = f"spans_{day:%Y%m%d}"
            if await connection.fetchval("SELECT to_regclass($1)", f"orchestrator.{name}") is None:
                await connection.execute(
                    f"CREATE TABLE orchestrator.{name} PARTITION OF orchestrator.spans "
                    f"FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
                )
    database.span_days |= wanted


def _day(time: float) -> date:
    return datetime.fromtimestamp(time, UTC).date()


def _row(record: Record) -> SpanRow:
    parent = record["parent_id"]
    return SpanRow(
        started_at=record["started_at"].timestamp(),
        trace_id=record["trace_id"].hex(),
        span_id=record["span_id"].hex(),
        parent_id=None if parent is None else parent.hex(),
        tenant=record["tenant"],
        run_id=record["run_id"],
        attempt_id=record["attempt_id"],
        name=record["name"],
        kind=record["kind"],
        ended_at=record["ended_at"].timestamp(),
        status=record["status"],
        status_message=record["status_message"],
        attributes=from_jsonb(record["attributes"]),
        events=tuple(SpanEvent.from_json(event) for event in from_jsonb(record["events"])),
    )


class SpanStore:
    """The `spans` table as the place where telemetry leaves finished spans."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, spans: Sequence[SpanRow]) -> None:
        """Store a batch; repeating it is harmless."""
        await insert_spans(self._database, spans)
