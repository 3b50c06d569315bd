"""What the owner of a run writes in one superstep: over six tables, in one statement, and fenced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.attempt import AttemptOrder
from orchestrator.domain.event import Event
from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.payload import Payload
from orchestrator.domain.verdict import Verdict
from orchestrator.errors import Fenced
from orchestrator.store.attempts import order_columns
from orchestrator.store.blobs import blob_columns
from orchestrator.store.events import event_columns
from orchestrator.store.queries import query
from orchestrator.store.steps import StepRow, step_columns
from orchestrator.store.verdicts import verdict_columns

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Superstep:
    """The writes of one superstep, any of which may be missing. All rows are of this run and tenant.

    Attributes:
        epoch: with which the run is owned.
        consumed: inbox rows to remove; the checkpoint that folded them in is durable.
        payloads: values to store, in any order, also repeated.
        orders: attempts to queue; one that is there already is left as it is.
        steps: to insert or replace, each step at most once.
        verdicts: with the attempt that each judges; one of a validator that has judged it already is left out.
        events: to append; one whose key the run has already is left out.
    """

    run_id: RunId
    tenant: str
    epoch: int
    consumed: Sequence[int] = ()
    payloads: Sequence[Payload] = ()
    orders: Sequence[AttemptOrder] = ()
    steps: Sequence[StepRow] = ()
    verdicts: Sequence[tuple[AttemptId, Verdict]] = ()
    events: Sequence[Event] = ()


async def write_superstep(target: Database | Connection, superstep: Superstep) -> None:
    """Write all of it or nothing; repeating it is harmless.

    Args:
        target: a database, where it is a transaction of its own, or a connection in the caller's transaction, which has
            taken its locks on attempts before, and in which nobody can take the run over from now on.
        superstep: what to write.

    Raises:
        Fenced: the run has another epoch, so this process owns it no longer.
    """
    owned = await target.fetchval(
        query("write_superstep"),
        superstep.run_id,
        superstep.epoch,
        superstep.tenant,
        superstep.consumed,
        *blob_columns(superstep.payloads),
        *order_columns(superstep.orders),
        *step_columns(superstep.steps),
        *verdict_columns(superstep.verdicts),
        *event_columns(superstep.events),
    )
    if owned is None:
        raise Fenced(f"run {superstep.run_id} is no longer owned with epoch {superstep.epoch}")
