"""What the owners of runs write in one superstep: many runs, over nine tables, in one statement, and each fenced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.attempt import AttemptOrder
from orchestrator.domain.event import Event
from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.payload import Payload
from orchestrator.domain.verdict import Verdict
from orchestrator.errors import Fenced
from orchestrator.store.attempts import order_columns
from orchestrator.store.events import event_columns
from orchestrator.store.queries import query
from orchestrator.store.steps import StepRow, step_columns
from orchestrator.store.verdicts import verdict_columns

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class CheckpointWrite:
    """A checkpoint of the supervisor graph as it is stored, with what its tasks wrote before it.

    Attributes:
        id, parent: of the checkpoint, and of the one before it.
        text, metadata: JSON.
        values: one (channel, version, type, data) for each value that is stored apart.
        writes: one (checkpoint, task, path, place, channel, type, data) for each write of a task.
    """

    id: str
    parent: str | None
    text: str
    metadata: str
    values: Sequence[tuple[str, str, str, bytes]] = ()
    writes: Sequence[tuple[str, str, str, int, str, str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Superstep:
    """The writes of one superstep, any of which may be missing. All rows are of this run and tenant.

    Attributes:
        epoch: with which the run is owned.
        consumed: inbox rows to remove; the checkpoint that folded them in is durable, or among these writes.
        payloads: values to store, in any order, also repeated.
        orders: attempts to queue; one that is there already is left as it is.
        steps: to insert or replace, each step at most once.
        verdicts: with the attempt that each judges; one of a validator that has judged it already is left out.
        events: to append; one whose key the run has already is left out.
        checkpoints: of the supervisor graph, the oldest first.
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
    checkpoints: Sequence[CheckpointWrite] = ()


async def write_superstep(target: Database | Connection, superstep: Superstep) -> None:
    """Write all of it or nothing; repeating it is harmless.

    Args:
        target: a database, where it is a transaction of its own, or a connection in the caller's transaction, which has
            taken its locks on attempts before, and in which nobody can take the run over from now on.
        superstep: what to write.

    Raises:
        Fenced: the run has another epoch, so this process owns it no longer.
    """
    if superstep.run_id not in await write_supersteps(target, [superstep]):
        raise fenced(superstep)


async def write_supersteps(target: Database | Connection, supersteps: Sequence[Superstep]) -> frozenset[RunId]:
    """Write the supersteps of several runs, at most one of each, in one statement.

    Args:
        target: as for `write_superstep`.
        supersteps: what to write.

    Returns:
        The runs that are owned with these epochs. Of the others nothing is written.
    """
    records = await target.fetch(
        query("write_supersteps"),
        [each.run_id for each in supersteps],
        [each.epoch for each in supersteps],
        [row for each in supersteps for row in each.consumed],
        *_blob_columns(supersteps),
        *order_columns([order for each in supersteps for order in each.orders]),
        *step_columns([row for each in supersteps for row in each.steps]),
        *verdict_columns([(each.run_id, *given) for each in supersteps for given in each.verdicts]),
        *event_columns([event for each in supersteps for event in each.events]),
        *_checkpoint_columns(supersteps),
    )
    return frozenset(RunId(record["id"]) for record in records)


async def fence_runs(connection: Connection, owners: Iterable[tuple[RunId, int]]) -> frozenset[RunId]:
    """Which runs have these epochs; nobody can take those over until the transaction of `connection` ends."""
    ids, epochs = zip(*owners, strict=True)
    return frozenset(RunId(record["id"]) for record in await connection.fetch(query("fence_runs"), ids, epochs))


def fenced(superstep: Superstep) -> Fenced:
    """The error for a superstep that was not written."""
    return Fenced(f"run {superstep.run_id} is no longer owned with epoch {superstep.epoch}")


def _blob_columns(supersteps: Sequence[Superstep]) -> tuple[list[Any], ...]:
    rows = [(each.run_id, payload) for each in supersteps for payload in each.payloads]
    return (
        [run for run, _ in rows],
        [bytes.fromhex(payload.ref.sha256) for _, payload in rows],
        [payload.data for _, payload in rows],
    )


def _checkpoint_columns(supersteps: Sequence[Superstep]) -> tuple[list[Any], ...]:
    """The columns of checkpoints, then of channel values, then of writes."""
    made = [(each.run_id, row) for each in supersteps for row in each.checkpoints]
    checkpoints = [(run, row.id, row.parent, row.text, row.metadata) for run, row in made]
    values = [(run, *value) for run, row in made for value in row.values]
    writes = [(run, *write) for run, row in made for write in row.writes]
    return (*_columns(checkpoints, 5), *_columns(values, 5), *_columns(writes, 8))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> tuple[list[Any], ...]:
    return tuple(list(column) for column in zip(*rows, strict=True)) if rows else tuple([] for _ in range(width))
