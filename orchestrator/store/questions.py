"""What waits for a person: attempts of the worker that stands for one, and runs that are paused; and its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchestrator.domain.budget import BUDGET_FORM
from orchestrator.domain.event import HUMAN_ANSWERED, RUN_PAUSED
from orchestrator.domain.identity import NO_ITEM, AttemptId, ProcessId, RunId
from orchestrator.domain.payload import Payload, decode
from orchestrator.domain.worker import HUMAN_WORKER
from orchestrator.errors import Conflict, InputError, NotFound
from orchestrator.store.jsonb import from_jsonb, to_jsonb
from orchestrator.store.queries import query
from orchestrator.store.rows import digest

if TYPE_CHECKING:
    from orchestrator.store.database import Database, Record

MOST_QUESTIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a person is asked: by a step of a run, or by a paused run about its budget.

    Attributes:
        workflow: the name of the run's workflow.
        step: the step that asks, empty for the run's budget.
        item: of a `foreach`, else NO_ITEM.
        attempt_id: the attempt that carries the question, None for a budget.
        number: which attempt of the step's item it is, from 1.
        assignee: who is meant, None for anybody.
        form: JSON Schema 2020-12 of the answer, None where any JSON will do.
        shown: what the person is shown; for a budget `{reason, spent, budget}`.
        feedback: why the last answer, or what is to be replaced, was refused.
        rejected: the value that was refused, None if there is none.
        verdicts: all that was said of it, as `{validator, passed, score, message}`.
        asked_at, expires_at: Unix seconds; None where it does not expire.
    """

    run_id: RunId
    tenant: str
    workflow: str
    step: str
    item: int
    attempt_id: AttemptId | None
    number: int
    assignee: str | None
    form: dict[str, Any] | None
    shown: Any
    description: str = ""
    feedback: tuple[str, ...] = ()
    rejected: Any = field(default=None, hash=False)
    verdicts: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    asked_at: float = 0.0
    expires_at: float | None = None

    @property
    def about_budget(self) -> bool:
        """Whether a paused run asks, and not one of its steps."""
        return self.attempt_id is None


async def open_questions(
    database: Database,
    *,
    tenant: str,
    run_id: RunId | None = None,
    step: str | None = None,
    item: int | None = None,
    limit: int = MOST_QUESTIONS,
) -> list[Question]:
    """What waits for a person, the oldest first.

    Args:
        database: where the runs are.
        tenant: whose runs.
        run_id: only this run and the runs below it; None for all of the tenant's.
        step: only those of steps of that name, "" for budgets; None for all.
        item: only those of that item of a `foreach`; None for all.
        limit: so many at the most.
    """
    records = await database.fetch(query("open_questions"), tenant, run_id, HUMAN_WORKER, limit, RUN_PAUSED, step, item)
    return [_question(record) for record in records]


def _question(record: Record) -> Question:
    asks, form = _asked(record)
    return Question(
        run_id=RunId(record["run_id"]),
        tenant=record["tenant"],
        workflow=record["workflow"],
        step=record["step"],
        item=record["item"],
        attempt_id=None if record["attempt_id"] is None else AttemptId(record["attempt_id"]),
        number=record["number"],
        assignee=asks.get("assignee") or None,
        form=form,
        shown=asks.get("with"),
        description=asks.get("description") or "",
        feedback=tuple(asks.get("feedback") or ()),
        rejected=asks.get("rejected"),
        verdicts=tuple(asks.get("verdicts") or ()),
        asked_at=record["asked_at"].timestamp(),
        expires_at=(from_jsonb(record["options"]) or {}).get("expires_at"),
    )


def _asked(record: Record) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What the question says, and its form."""
    if record["attempt_id"] is None:
        data = from_jsonb(record["paused"])
        return {"with": data, "description": f"the run is paused: {data.get('reason', '')}".rstrip(": ")}, BUDGET_FORM
    asks: dict[str, Any] = {} if record["input"] is None else decode(record["input"])
    return asks, asks.get("form")


async def answer_question(database: Database, question: Question, value: Any, *, by: str | None) -> ProcessId | None:
    """Store a person's answer, all or nothing; the first one wins. The value is not checked against the form here.

    Args:
        database: where the run is.
        question: as `open_questions` gave it.
        value: plain JSON.
        by: who answers.

    Returns:
        The run's owner, who is to be notified, if it has one.

    Raises:
        NotFound: the tenant has no such run, or it does not ask this.
        Conflict: it was answered already, it expired or was withdrawn, or the run has ended; says which.
        TypeError, ValueError: the value is not plain JSON.
    """
    if question.attempt_id is None:
        return await _answer_budget(database, question, value, by)
    payload = Payload.of(value)
    record = await database.fetchrow(
        query("answer_attempt"),
        question.attempt_id,
        question.tenant,
        HUMAN_WORKER,
        digest(payload.ref.sha256),
        payload.data,
        HUMAN_ANSWERED,
        to_jsonb({"by": by, "sha256": payload.ref.sha256}),
    )
    if record is None:
        raise await refusal(database, question.run_id, tenant=question.tenant, step=question.step, item=question.item)
    return _owner(record)


async def _answer_budget(database: Database, question: Question, value: Any, by: str | None) -> ProcessId | None:
    payload = to_jsonb({"value": value, "by": by})
    async with database.transaction() as connection:
        run = await connection.fetchrow(query("lock_run"), question.run_id, question.tenant)
        if run is not None and run["status"] == "paused":
            done = await connection.fetchval(
                query("answer_budget"), question.run_id, question.tenant, payload, HUMAN_ANSWERED
            )
            if done is not None:
                return _owner(run)
    raise await refusal(database, question.run_id, tenant=question.tenant, step="")


def _owner(record: Record) -> ProcessId | None:
    return None if record["owner"] is None else ProcessId(record["owner"])


async def refusal(
    database: Database, run_id: RunId, *, tenant: str, step: str | None, item: int | None = None
) -> InputError:
    """Why a step of a run takes no answer, as an error to raise.

    The step "" stands for the run's budget, None for whatever the run may ask.
    """
    fate = await database.fetchrow(query("question_fate"), run_id, tenant, step, item, HUMAN_WORKER, HUMAN_ANSWERED)
    if fate is None:
        return NotFound(f"there is no run {run_id}")
    if fate["ended"]:
        return Conflict(f"run {run_id} has ended already: {fate['run_status']}")
    if not step:
        return _nothing_asked(run_id, fate["run_status"], budget=step == "")
    where = f"step '{step}'{'' if item in {None, NO_ITEM} else f' item {item}'} of run {run_id}"
    if fate["status"] is None:
        return NotFound(f"{where} asks nobody")
    return Conflict(f"{where} {_fate_text(fate)}")


def _nothing_asked(run_id: RunId, status: str, *, budget: bool) -> InputError:
    if status == "paused":
        return Conflict(f"run {run_id} is paused, and its budget was answered already")
    if budget:
        return Conflict(f"run {run_id} is {status}, not paused: its budget needs no answer")
    return NotFound(f"run {run_id} asks nobody anything at present")


def _fate_text(fate: Record) -> str:
    status, at = fate["status"], fate["finished_at"]
    when = "" if at is None else f" at {at.astimezone():%Y-%m-%d %H:%M:%S}"
    if status == "succeeded":
        return "was answered already" + (f" by {fate['by']}" if fate["by"] else "") + when
    if status == "waiting" and fate["cancel_requested"]:
        return "takes its question back: it is being cancelled"
    said = "expired" if fate["expired"] else "was withdrawn" if status == "cancelled" else f"ended ({status})"
    return f"waits for nobody any more: its question {said}{when}"
