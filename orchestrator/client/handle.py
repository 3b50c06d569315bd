"""One run, seen from outside: its result, its events, its trace, answers to what it asks, and the wish that it end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.client import forks
from orchestrator.client.finished import Finished
from orchestrator.client.history import Moment, read_history, state_at
from orchestrator.client.questions import find_question, give_answer, notify_owner
from orchestrator.domain import event as events
from orchestrator.domain.event import StoredEvent
from orchestrator.domain.identity import RunId
from orchestrator.domain.outcome import ErrorInfo, Usage
from orchestrator.domain.payload import decode
from orchestrator.domain.run import FINAL, RunState
from orchestrator.domain.span import SpanRow
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import Database, attempts, blobs, children, notes, questions, runs, spans, steps, verdicts
from orchestrator.store import events as event_store
from orchestrator.store.attempts import AttemptRow
from orchestrator.store.questions import Question
from orchestrator.store.runs import RunRow
from orchestrator.store.steps import StepRow
from orchestrator.store.verdicts import VerdictRow
from orchestrator.workflow import Workflow

POLL = 0.2
"""Seconds between two looks for new events."""

PAGE = 500


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. A failed run is a result, not an exception.

    Attributes:
        status: `succeeded`, `failed` or `cancelled`.
        output: the workflow's `outputs`, None unless it succeeded.
        error: the first failed step's error, None unless it failed.
        duration: seconds from start to end.
    """

    status: str
    output: Any
    error: ErrorInfo | None
    usage: Usage
    run_id: RunId
    duration: float

    @property
    def cost(self) -> float | None:
        """USD for all model calls of all attempts; None where no price is known."""
        return self.usage.cost_usd


@dataclass(frozen=True, slots=True)
class RunTrace:
    """Everything that is recorded of a run, as rows.

    Attributes:
        children: the runs that its steps began; their own children are not among them.
        notes: those events of it that no row tells: pauses, questions and answers of people, iterations.
    """

    run: RunRow
    steps: list[StepRow]
    attempts: list[AttemptRow]
    verdicts: list[VerdictRow]
    spans: list[SpanRow]
    children: list[RunRow] = field(default_factory=list)
    notes: list[StoredEvent] = field(default_factory=list)


class RunHandle:
    """A run that was submitted, here or elsewhere, now or long ago.

    Attributes:
        id: of the run.
        tenant: whose run it is. Under another tenant than its own, a run does not exist.
    """

    def __init__(self, run_id: RunId, tenant: str, database: Database, finished: Finished) -> None:
        self.id = run_id
        self.tenant = tenant
        self._database = database
        self._finished = finished

    def child(self, run_id: RunId) -> RunHandle:
        """A handle to a run that a step of this one began, without looking whether it exists."""
        return self._other(run_id)

    async def row(self) -> RunRow:
        """The run as it stands.

        Raises:
            NotFound: it has been deleted, or it is not the tenant's.
        """
        row = await runs.get_run(self._database, self.id, tenant=self.tenant)
        if row is None:
            raise NotFound(f"run {self.id} does not exist")
        return row

    async def result(self, timeout: float | None = None) -> RunResult:  # noqa: ASYNC109 - part of the public API
        """Wait for the end of the run.

        Args:
            timeout: seconds to wait at the most, None for ever.

        Raises:
            TimeoutError: the run had not ended by then; it goes on.
        """
        async with asyncio.timeout(timeout):
            await self._finished.wait(self.id, tenant=self.tenant)
        row = await self.row()
        output = None
        if row.output is not None:
            output = decode((await blobs.get_blobs(self._database, self.tenant, [row.output]))[row.output])
        usage = Usage(row.input_tokens, row.output_tokens, row.cost_usd)
        duration = (row.finished_at or 0.0) - (row.started_at or row.finished_at or 0.0)
        return RunResult(row.status, output, row.error, usage, self.id, duration)

    async def events(self) -> AsyncIterator[StoredEvent]:
        """The run's events from its beginning, as they come; ends after `run.finished`.

        While a transaction that writes is open anywhere in the cluster, events newer than it are held back, as one of
        them might yet come before the others; once the run has ended, they come all the same.

        Raises:
            NotFound: the run has been deleted, or it is not the tenant's.
        """
        cursor, ended = None, False
        while True:
            page, cursor = await event_store.read_events(
                self._database, self.id, tenant=self.tenant, after=cursor, limit=PAGE, ended=ended
            )
            for stored in page:
                yield stored
                if stored.event.kind == events.RUN_FINISHED:
                    return
            if len(page) == PAGE:
                continue
            if ended:
                return
            # Looked at after the page: what was written before the end is all in the next one.
            ended = (await self.row()).status in FINAL
            if not ended:
                await asyncio.sleep(POLL)

    async def cancel(self) -> None:
        """Ask for the run's end. `result()` tells when it is confirmed: then nothing of it runs any more.

        Raises:
            NotFound: there is no such run.
            Conflict: it has ended already.
        """
        row = await self.row()
        if row.status in FINAL:
            raise Conflict(f"run {self.id} has {row.status} already; nothing is left to cancel")
        owner = await runs.request_cancel(self._database, self.id, tenant=self.tenant)
        await notify_owner(self._database, owner, self.id)

    async def questions(self) -> list[Question]:
        """What waits for a person, in this run and in the runs below it, the oldest first."""
        return await questions.open_questions(self._database, tenant=self.tenant, run_id=self.id)

    async def answer(
        self, *, value: Any, step: str | None = None, item: int | None = None, by: str | None = None
    ) -> Question:
        """Answer what a step asks, or what the run asks about its budget. The first answer counts.

        Args:
            value: plain JSON that fits the form of the question.
            step: the step that asks, also one of a run below this one; "" for the budget. May be left out where only
                one thing is asked, and where the run itself is paused.
            item: of a `foreach`, where several of its items ask.
            by: who answers, for the record.

        Returns:
            The question that is answered now.

        Raises:
            AnswerInvalid: the value does not fit the form; nothing is stored.
            Conflict: several questions are meant, or it was answered already, it expired, or the run has ended.
            NotFound: there is no such run or question.
        """
        question = await find_question(self._database, self.id, tenant=self.tenant, step=step, item=item)
        await give_answer(self._database, question, value, by=by)
        return question

    async def fork(self, *, step: str, with_: Mapping[str, Any] | None = None) -> RunHandle:
        """Begin a new run that reuses what this one has settled, and does `step` and all that lies behind it again.

        The new run has the same workflow and inputs. Its reused steps keep their outcomes, without an attempt; what has
        not settled here, was cancelled, or belongs to `finally` is done anew. This run is left as it is.

        Args:
            step: one that has settled, however that was.
            with_: plain JSON, laid over what the step's `with` gives; taken as it is, never as a template.

        Raises:
            NotFound: there is no such run or step.
            ForkInvalid: the step belongs to `finally`, or does not take `with_`.
            Conflict: the step has not settled, or the run's checkpoints were pruned.
        """
        source = await forks.read_source(self._database, await self.row())
        plan = await forks.plan_fork(self._database, source, step, with_)
        return self._other(await forks.begin_fork(self._database, source.row, plan))

    async def retry(self, *, step: str | None = None) -> RunHandle:
        """Begin a new run that reuses what went well in this one, which has ended, and tries the rest again.

        That is every failed step whose failure nothing accepts, what was cancelled, and all that lies behind them.

        Args:
            step: only this one, and what lies behind it.

        Raises:
            NotFound: there is no such run or step.
            ForkInvalid: the step belongs to `finally`.
            Conflict: the run has not ended, nothing is to be tried again, or its checkpoints were pruned.
        """
        source = await forks.read_source(self._database, await self.row())
        return self._other(await forks.begin_fork(self._database, source.row, forks.plan_retry(source, step)))

    async def overlay(self, step: str) -> dict[str, dict[str, Any]]:
        """What `fork` may lay over the `with` of a step: a JSON Schema for each key; an empty one says nothing."""
        return await forks.overlay_of(self._database, await forks.read_source(self._database, await self.row()), step)

    async def history(self) -> AsyncIterator[Moment]:
        """What the supervisor knew of the run, checkpoint by checkpoint, as far as it has come.

        Raises:
            NotFound: there is no such run.
        """
        await self.row()
        async for moment in read_history(self._database, self.id, tenant=self.tenant):
            yield moment

    async def state_at(self, number: int) -> RunState:
        """All that was known of the run at the checkpoint `number` of its history, or at the last one before it.

        Raises:
            NotFound: there is no such run, or nothing is known of that time.
        """
        await self.row()
        return await state_at(self._database, self.id, number, tenant=self.tenant)

    async def workflow(self) -> Workflow:
        """The workflow that the run is pinned to, without the texts that it was read from.

        Raises:
            NotFound: there is no such run.
        """
        return await forks.stored_workflow(self._database, (await self.row()).workflow_sha256)

    def _other(self, run_id: RunId) -> RunHandle:
        return RunHandle(run_id, self.tenant, self._database, self._finished)

    async def trace(self) -> RunTrace:
        """All rows of the run, for a tree, a table or a viewer."""
        return RunTrace(
            await self.row(),
            await steps.list_steps(self._database, self.id, tenant=self.tenant),
            await attempts.list_attempts(self._database, self.id, tenant=self.tenant),
            await verdicts.list_verdicts(self._database, self.id, tenant=self.tenant),
            await spans.list_spans(self._database, self.id, tenant=self.tenant),
            await children.list_children(self._database, self.id, tenant=self.tenant),
            await notes.list_notes(self._database, self.id, tenant=self.tenant),
        )
