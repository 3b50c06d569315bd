"""What wakes a run: outcomes of its attempts, requests to cancel it, and a person's word on its budget."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.attempt import Purpose
from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.outcome import Outcome, OutcomeKind, Usage
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.reservation import NOTHING, Reservation
from orchestrator.store.jsonb import from_jsonb
from orchestrator.store.queries import query
from orchestrator.store.rows import read_error

if TYPE_CHECKING:
    from orchestrator.store.database import Database, Record

OUTCOME: Final = "outcome"
CANCEL: Final = "cancel"
ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True)
class SettledAttempt:
    """An attempt that has ended, as its supervisor folds it in. Times are Unix seconds.

    `reserved` is what was set aside for it of the run's budget.
    """

    id: AttemptId
    step: str
    item: int
    number: int
    purpose: Purpose
    validator: str
    judges: AttemptId | None
    worker: str
    outcome: Outcome
    queued_at: float
    claimed_at: float | None
    finished_at: float
    reserved: Reservation = NOTHING


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One row of `inbox`; `settled` is there for the kind `outcome`.

    A lost attempt has a second row once its worker says what it used after all; `settled` is alike in both.
    """

    id: int
    kind: str
    attempt_id: AttemptId | None
    payload: Any
    settled: SettledAttempt | None

    @property
    def late(self) -> bool:
        """Whether it is a lost attempt's second row."""
        return bool(self.payload) and self.kind == OUTCOME

    @property
    def usage(self) -> Usage:
        """What this row tells of an attempt's use: each is told of once."""
        if self.settled is None or (self.settled.outcome.kind is OutcomeKind.LOST and not self.payload):
            return Usage()
        return self.settled.outcome.usage


async def read_inbox(database: Database, run_id: RunId, *, limit: int = 5_000) -> list[InboxRow]:
    """Everything that is in a run's inbox, in the order in which it was put there."""
    return (await read_inboxes(database, [run_id], limit=limit))[0]


async def read_inboxes(database: Database, run_ids: Sequence[RunId], *, limit: int = 5_000) -> list[list[InboxRow]]:
    """The inboxes of several runs, in their order, with one query; `limit` is for each."""
    found: dict[RunId, list[InboxRow]] = {run_id: [] for run_id in run_ids}
    for record in await database.fetch(query("read_inboxes"), list(found), limit):
        found[RunId(record["run_id"])].append(_row(record))
    return [found[run_id] for run_id in run_ids]


async def unread_of(database: Database, run_ids: Collection[RunId]) -> set[RunId]:
    """Which of these runs have something in their inbox."""
    if not run_ids:
        return set()
    return {RunId(record["run_id"]) for record in await database.fetch(query("unread_of"), list(run_ids))}


def _row(record: Record) -> InboxRow:
    return InboxRow(
        id=record["id"],
        kind=record["kind"],
        attempt_id=record["attempt_id"],
        payload=from_jsonb(record["payload"]),
        settled=None if record["status"] is None else _settled(record),
    )


def _settled(record: Record) -> SettledAttempt:
    output = record["output"]
    claimed_at = record["claimed_at"]
    return SettledAttempt(
        id=AttemptId(record["attempt_id"]),
        step=record["step"],
        item=record["item"],
        number=record["number"],
        purpose=Purpose(record["purpose"]),
        validator=record["validator"],
        judges=record["judges"],
        worker=record["worker"],
        outcome=Outcome(
            OutcomeKind(record["status"]),
            None if output is None else PayloadRef(output.hex(), record["output_size"]),
            read_error(record["error"]),
            Usage(record["input_tokens"], record["output_tokens"], record["cost_usd"], record["model_calls"]),
        ),
        queued_at=record["queued_at"].timestamp(),
        claimed_at=None if claimed_at is None else claimed_at.timestamp(),
        finished_at=record["finished_at"].timestamp(),
        reserved=Reservation.from_json(from_jsonb(record["reserved"])),
    )
