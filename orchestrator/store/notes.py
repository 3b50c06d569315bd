"""Events that a trace needs and that no other row tells: pauses, what people were asked and said, iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.domain import event as kinds
from orchestrator.domain.event import Event, StoredEvent
from orchestrator.domain.identity import RunId
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row

if TYPE_CHECKING:
    from orchestrator.store.database import Database

NOTES: Final = (
    kinds.RUN_PAUSED,
    kinds.RUN_RESUMED,
    kinds.STEP_ITERATION,
    kinds.HUMAN_ASKED,
    kinds.HUMAN_ANSWERED,
    kinds.HUMAN_EXPIRED,
)


async def list_notes(database: Database, run_id: RunId, *, tenant: str) -> list[StoredEvent]:
    """Those events of a tenant's run, in the order in which they happened."""
    records = await database.fetch(query("list_notes"), run_id, tenant, list(NOTES))
    return [StoredEvent(record["id"], record["at"].timestamp(), as_row(Event, record)) for record in records]
