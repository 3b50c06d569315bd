"""The runs' append-only timeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.event import Event, StoredEvent
from orchestrator.domain.identity import RunId
from orchestrator.store.jsonb import from_jsonb, to_jsonb
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database, Record


@dataclass(frozen=True, slots=True, order=True)
class EventCursor:
    """How far a reader has come: the transaction and the id of the last event that it has."""

    xact: int = 0
    id: int = 0


async def append_events(connection: Connection, events: Sequence[Event]) -> None:
    """Append events; one whose key the run has already is left out."""
    if events:
        await connection.execute(query("append_events"), *event_columns(events))


async def read_events(
    database: Database,
    run_id: RunId,
    *,
    tenant: str,
    after: EventCursor | None = None,
    limit: int = 500,
    ended: bool = False,
) -> tuple[list[StoredEvent], EventCursor]:
    """The next events of a tenant's run, and the cursor to go on from.

    Ids are given before their transactions commit. So only what lies below every open transaction is read, in the
    order of transactions: nothing can turn up later behind the cursor.

    Args:
        database: where the run is.
        run_id: the run.
        tenant: whose run it is; that of another has no events.
        after: where the reader stands, None at the beginning.
        limit: events at the most.
        ended: the caller has seen the run's final status. Whatever writes to a run holds its row or that of a running
            attempt, so all of it has been committed then; everything is read, however old a transaction is open
            elsewhere in the cluster.
    """
    cursor = after or EventCursor()
    records = await database.fetch(query("read_events"), run_id, tenant, str(cursor.xact), cursor.id, limit, ended)
    if records:
        cursor = EventCursor(int(records[-1]["xact"]), records[-1]["id"])
    return [_stored(record) for record in records], cursor


def event_columns(events: Sequence[Event]) -> tuple[list[Any], ...]:
    """One list a column, in the order of the block `append_events`."""
    return (
        [event.run_id for event in events],
        [event.tenant for event in events],
        [event.kind for event in events],
        [event.step for event in events],
        [event.item for event in events],
        [event.attempt_id for event in events],
        [to_jsonb(event.data) for event in events],
        [event.key or None for event in events],
    )


def _stored(record: Record) -> StoredEvent:
    event = Event(
        run_id=record["run_id"],
        tenant=record["tenant"],
        kind=record["kind"],
        step=record["step"],
        item=record["item"],
        attempt_id=record["attempt_id"],
        data=from_jsonb(record["data"]),
        key=record["key"] or "",
    )
    return StoredEvent(record["id"], record["at"].timestamp(), event)
