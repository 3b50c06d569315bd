"""Attempts: the supervisor orders them, one worker process at a time holds one, and its outcome is settled once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.domain.attempt import AttemptOrder, ClaimedAttempt
from orchestrator.domain.event import ATTEMPT_FINISHED, Event
from orchestrator.domain.identity import AttemptId, ProcessId, RunId
from orchestrator.domain.outcome import ErrorInfo, Outcome
from orchestrator.domain.payload import Payload
from orchestrator.domain.worker import RUN_WORKER
from orchestrator.store.events import event_columns
from orchestrator.store.jsonb import to_jsonb
from orchestrator.store.queries import query
from orchestrator.store.rows import as_row, digest, write_error

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One row of `attempts`: times in Unix seconds, digests in hex."""

    id: AttemptId
    run_id: RunId
    tenant: str
    step: str
    item: int
    number: int
    purpose: str
    validator: str
    judges: AttemptId | None
    worker: str
    pool: str
    priority: int
    input: str
    options: dict[str, Any]
    idempotency_key: str
    traceparent: str
    timeout: float | None
    idle: float | None
    status: str
    cancel_requested: bool
    superseded: bool
    token: int
    process: ProcessId | None
    lease_until: float | None
    output: str | None
    error: ErrorInfo | None
    progress: float | None
    heartbeat: Any
    heartbeat_at: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    model_calls: int
    queued_at: float
    not_before: float
    claimed_at: float | None
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class SettleResult:
    """Whether the outcome counts (`held`), and the process to notify: the run's owner, if it has one."""

    held: bool
    owner: ProcessId | None


def order_columns(orders: Sequence[AttemptOrder]) -> tuple[list[Any], ...]:
    """One list a column, in the order of the block `write_supersteps`."""
    return (
        [order.run_id for order in orders],
        [order.id for order in orders],
        [order.step for order in orders],
        [order.item for order in orders],
        [order.number for order in orders],
        [order.purpose.value for order in orders],
        [order.validator for order in orders],
        [order.judges for order in orders],
        [order.worker for order in orders],
        [order.pool for order in orders],
        [order.priority for order in orders],
        [digest(order.input.sha256) for order in orders],
        [to_jsonb(order.options) for order in orders],
        [order.idempotency_key for order in orders],
        [order.traceparent for order in orders],
        [order.timeout for order in orders],
        [order.idle for order in orders],
        [order.delay for order in orders],
    )


async def renew(
    database: Database, process: ProcessId, lease: float, ids: Collection[AttemptId]
) -> dict[AttemptId, bool]:
    """Prolong the leases of attempts that `process` holds, in one statement.

    Returns:
        For each that is still held, whether it is to be cancelled. What is absent is no longer held.
    """
    if not ids:
        return {}
    records = await database.fetch(query("renew_leases"), process, lease, list(ids))
    return {AttemptId(record["id"]): record["cancel_requested"] for record in records}


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an attempt ended: `outcome.output` is the reference of `payload`; `events` go in only if it counts."""

    claimed: ClaimedAttempt
    outcome: Outcome
    payload: Payload | None
    events: Sequence[Event]


async def settle(database: Database, settlements: Sequence[Settlement]) -> list[SettleResult]:
    """Store how attempts ended, each with its output, its inbox row and its events, in one statement.

    An outcome counts only if the attempt is still held with its token; else it is marked as superseded, and nothing
    but what it used is recorded. Repeating the call after a lost connection is harmless.

    Returns:
        For each settlement whether it counts.
    """
    outcomes = [each.outcome for each in settlements]
    paid = [each for each in settlements if each.payload is not None]
    records = await database.fetch(
        query("settle_attempts"),
        [each.claimed.order.id for each in settlements],
        [each.claimed.token for each in settlements],
        [outcome.kind.value for outcome in outcomes],
        [digest(outcome.output.sha256 if outcome.output else None) for outcome in outcomes],
        [write_error(outcome.error) for outcome in outcomes],
        [outcome.usage.input_tokens for outcome in outcomes],
        [outcome.usage.output_tokens for outcome in outcomes],
        [outcome.usage.cost_usd for outcome in outcomes],
        [outcome.usage.model_calls for outcome in outcomes],
        [each.claimed.order.id for each in paid],
        [digest(each.payload.ref.sha256) for each in paid if each.payload],
        [each.payload.data for each in paid if each.payload],
        *event_columns([event for each in settlements for event in each.events]),
    )
    known = {record["id"]: SettleResult(held=record["held"], owner=record["owner"]) for record in records}
    return [known.get(each.claimed.order.id, SettleResult(held=False, owner=None)) for each in settlements]


async def record_heartbeat(
    database: Database, claimed: ClaimedAttempt, details: Any = None, progress: float | None = None
) -> bool:
    """Store what the attempt's code said last, for people and for the next attempt; False if it is not held.

    Args:
        database: where the attempt is.
        claimed: as `claim` gave it.
        details: plain JSON; None keeps what was said before.
        progress: 0..1; None keeps what was said before.
    """
    done = await database.fetchval(
        query("record_heartbeat"), claimed.order.id, claimed.token, to_jsonb(details), progress
    )
    return done is not None


async def expire_leases(database: Database, limit: int) -> list[tuple[RunId, ProcessId | None]]:
    """Give up attempts whose lease has ended: each becomes `lost`, with an inbox row and an event.

    Returns:
        The runs to wake, each with its owner.
    """
    records = await database.fetch(query("expire_leases"), limit, ATTEMPT_FINISHED)
    return [(RunId(record["run_id"]), record["owner"]) for record in records]


async def cancel_attempts(
    connection: Connection,
    run_id: RunId,
    step: str | None = None,
    *,
    ids: Collection[AttemptId] | None = None,
) -> list[tuple[ProcessId | None, RunId]]:
    """Cancel the attempts of a run, of one of its steps, or those of `ids`.

    What nobody has begun is cancelled at once, without an inbox row (the caller is the supervisor), unless it is one
    of `ids` and holds a part of the run's budget. What runs is marked, and its worker's outcome follows; a child run is
    asked to cancel itself, and its outcome follows too.

    Returns:
        The processes to tell, each with the run that this is about: this one, or a child run; None for a child run
        that nobody hosts.
    """
    records = await connection.fetch(
        query("cancel_attempts"), run_id, step, None if ids is None else list(ids), ATTEMPT_FINISHED, RUN_WORKER
    )
    return [(record["process"], RunId(record["run_id"])) for record in records]


async def settle_child(
    connection: Connection, run_id: RunId, error: ErrorInfo | None
) -> tuple[ProcessId | None, RunId] | None:
    """End the attempt that a child run carried out, in the transaction that ends the run.

    Args:
        connection: in the caller's transaction.
        run_id: the child run, which is also the attempt's id.
        error: as the parent is to see it.

    Returns:
        The parent's owner (None while it has none) and the parent, to be woken; None where nobody waits any more.
    """
    record = await connection.fetchrow(query("settle_child"), run_id, write_error(error), ATTEMPT_FINISHED)
    return None if record is None else (record["owner"], RunId(record["run_id"]))


async def list_attempts(database: Database, run_id: RunId, *, tenant: str) -> list[AttemptRow]:
    """The attempts of a tenant's run, by step, item and number."""
    return [as_row(AttemptRow, record) for record in await database.fetch(query("list_attempts"), run_id, tenant)]


async def missing_permits(database: Database) -> dict[str, int]:
    """How many queued attempts are due in each pool: so many permits must be there at the least."""
    return {record["pool"]: record["due"] for record in await database.fetch(query("due_attempts"))}


async def count_running(database: Database, run_id: RunId) -> int:
    """How many attempts of a run a worker holds, or a child run carries out, or a person is asked for."""
    count: int = await database.fetchval(query("count_running"), run_id)
    return count
