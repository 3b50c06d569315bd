"""Claims: what waits in a pool, and taking some of it, also through limits and rates that hold over all machines."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.domain.attempt import AttemptOrder, ClaimedAttempt, Purpose
from orchestrator.domain.fairness import Turn
from orchestrator.domain.gate import Gate, GateKind, Passage, Rooms, room_of
from orchestrator.domain.identity import AttemptId, ProcessId, RunId
from orchestrator.domain.payload import PayloadRef, decode
from orchestrator.domain.rate import Rate
from orchestrator.store.jsonb import from_jsonb
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database, Record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolView:
    """What waits in a pool and is due.

    Attributes:
        tenants: that have something there.
        rates: of steps, by their keys; some of it may not be due yet.
        workers: which of the workers that were asked about are wanted.
    """

    tenants: frozenset[str]
    rates: Mapping[str, Rate]
    workers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: a process, for some of its workers, from one pool; `lease` is in seconds."""

    process: ProcessId
    pool: str
    workers: tuple[str, ...]
    lease: float


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed.

    Attributes:
        short: tenants that had less than was asked for them.
        closed: the gates that let nothing more through.
        wait: seconds until the first of the closed rates lets something through again; None where none is closed.
    """

    taken: list[ClaimedAttempt]
    short: frozenset[str] = frozenset()
    closed: frozenset[Gate] = frozenset()
    wait: float | None = None


async def look(database: Database, pool: str, workers: Collection[str] = ()) -> PoolView:
    """See what waits in `pool`.

    Args:
        database: where the attempts are.
        pool: the pool.
        workers: to be looked for in the whole queue, which takes time where it is long.
    """
    found: dict[str, dict[str, str | None]] = {"tenant": {}, "key": {}, "worker": {}}
    for record in await database.fetch(query("look_at_pool"), pool, list(workers)):
        found[record["what"]][record["name"]] = record["rate"]
    rates = {key: Rate.parse(rate) for key, rate in found["key"].items() if rate is not None}
    return PoolView(frozenset(found["tenant"]), rates, frozenset(found["worker"]))


async def claim(
    target: Database | Connection, claimant: Claimant, turns: Sequence[Turn], keys: Sequence[str] = ()
) -> Claimed:
    """Take queued attempts that are due and next in order, one for each turn as far as there are any.

    Order within a tenant: priority (higher first), then the time from which it may run; the latter alone for turns that
    go to what has waited longest. Attempts of runs that have ended are left. One whose input is not stored any more
    stays held until its lease ends, and is logged.

    Args:
        target: a database, or a connection in the caller's transaction.
        claimant: who will hold them.
        turns: for whom, and how.
        keys: of attempts with a rate of their own only those with one of these keys are taken.
    """
    urgent = Counter(turn.tenant for turn in turns if not turn.longest)
    longest = Counter(turn.tenant for turn in turns if turn.longest)
    tenants = list(dict.fromkeys(turn.tenant for turn in turns))
    records = await target.fetch(
        query("claim_attempts"),
        claimant.pool,
        claimant.workers,
        claimant.process,
        claimant.lease,
        tenants,
        [urgent[name] for name in tenants],
        [longest[name] for name in tenants],
        keys,
    )
    for record in records:
        if record["input_data"] is None:
            log.error("the input of attempt %s is not stored any more", record["id"])
    had = Counter(record["tenant"] for record in records)
    short = frozenset(name for name in tenants if had[name] < urgent[name] + longest[name])
    return Claimed([_claimed(record) for record in records if record["input_data"] is not None], short)


async def claim_through(
    database: Database, claimant: Claimant, turns: Sequence[Turn], gates: Collection[Gate]
) -> Claimed:
    """Like `claim`, but no more than the gates let through, whoever else claims through them at this moment.

    In one transaction the gates are locked, read, and passed, so claims through one gate come one after the other.

    Args:
        database: where the attempts are.
        claimant: who will hold them.
        turns: for whom, and how.
        gates: every gate that an attempt which may be taken here has to pass.
    """
    ordered = sorted(gates, key=lambda gate: gate.name)
    async with database.transaction() as connection:
        await connection.execute(query("lock_gates"), [gate.name for gate in ordered])
        ahead, rooms = await _read(connection, ordered)
        claimed = await _pass(connection, claimant, turns, rooms)
        ahead = await _use(connection, ahead, claimed.taken)
    waits = [gate.rate.wait(ahead[gate]) for gate in rooms.closed if gate.rate is not None]
    return replace(claimed, closed=rooms.closed, wait=min(waits, default=None))


async def _read(connection: Connection, gates: Sequence[Gate]) -> tuple[dict[Gate, float], Rooms]:
    """By how many seconds each rate is ahead of now, and the room that every gate has."""
    records = await connection.fetch(
        query("read_gates"),
        [str(gate.kind) for gate in gates],
        [gate.of for gate in gates],
        [gate.name for gate in gates],
    )
    read = list(zip(gates, records, strict=True))
    rooms = {gate: room_of(gate, running=record["running"], ahead=record["ahead"]) for gate, record in read}
    return {gate: max(0.0, record["ahead"]) for gate, record in read if gate.rate is not None}, Rooms(rooms)


async def _pass(connection: Connection, claimant: Claimant, turns: Sequence[Turn], rooms: Rooms) -> Claimed:
    """Claim in portions that fit through every gate that is still open."""
    taken: list[ClaimedAttempt] = []
    short: set[str] = set()
    left = list(turns)
    while not rooms.of_closed(GateKind.POOL):
        passed_over = rooms.of_closed(GateKind.TENANT)
        short |= {turn.tenant for turn in left if turn.tenant in passed_over}
        left = [turn for turn in left if turn.tenant not in short]
        shut = rooms.of_closed(GateKind.WORKER, GateKind.WORKER_RATE)
        workers = tuple(name for name in claimant.workers if name not in shut)
        portion = left[: rooms.sure(len(left))]
        if not portion or not workers:
            break
        found = await claim(connection, replace(claimant, workers=workers), portion, rooms.open_keys())
        rooms.count(passage_of(each.order) for each in found.taken)
        taken += found.taken
        short |= found.short
        left = left[len(portion) :]
    return Claimed(taken, frozenset(short | {turn.tenant for turn in left}))


async def _use(
    connection: Connection, ahead: Mapping[Gate, float], taken: Sequence[ClaimedAttempt]
) -> dict[Gate, float]:
    """Put the schedules of the rates on by what has begun under them; by how many seconds they are ahead then."""
    passages = [passage_of(each.order) for each in taken]
    counts = {gate: sum(gate in passage for passage in passages) for gate in ahead}
    every = {gate: gate.rate.every for gate in ahead if gate.rate is not None and counts[gate]}
    if every:
        names, used = [gate.name for gate in every], [counts[gate] for gate in every]
        await connection.execute(query("use_rates"), names, used, list(every.values()))
    return {gate: seconds + counts[gate] * every.get(gate, 0.0) for gate, seconds in ahead.items()}


def passage_of(order: AttemptOrder) -> Passage:
    """What of an order matters to gates."""
    rate = order.options.get("rate")
    return Passage(order.pool, order.worker, order.tenant, rate["key"] if rate else None)


async def forget_rates(database: Database) -> None:
    """Delete the schedules of rates that nothing has used for a day."""
    await database.execute(query("forget_rates"))


def _claimed(record: Record) -> ClaimedAttempt:
    return ClaimedAttempt(
        order=_order(record),
        token=record["token"],
        lease_until=record["lease_until"].timestamp(),
        input_value=decode(record["input_data"]),
        workflow=record["workflow"],
        queued_at=record["queued_at"].timestamp(),
        claimed_at=record["claimed_at"].timestamp(),
        last_heartbeat=from_jsonb(record["last_heartbeat"]),
        due_at=record["not_before"].timestamp(),
    )


def _order(record: Record) -> AttemptOrder:
    return AttemptOrder(
        id=AttemptId(record["id"]),
        run_id=RunId(record["run_id"]),
        tenant=record["tenant"],
        step=record["step"],
        item=record["item"],
        number=record["number"],
        purpose=Purpose(record["purpose"]),
        worker=record["worker"],
        pool=record["pool"],
        input=PayloadRef(record["input"].hex(), record["input_size"]),
        validator=record["validator"],
        judges=record["judges"],
        options=from_jsonb(record["options"]),
        priority=record["priority"],
        timeout=record["timeout"],
        idle=record["idle"],
        traceparent=record["traceparent"],
        idempotency_key=record["idempotency_key"],
    )
