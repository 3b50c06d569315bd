"""The `settle` node: sleep until something is in the inbox, then fold in all that is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from orchestrator.domain import event as events
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.item import (
    ChooseRule,
    ItemState,
    Phase,
    on_failure,
    on_judge_failure,
    on_output,
    on_total_timeout,
    on_verdict,
)
from orchestrator.domain.outcome import ErrorInfo, OutcomeKind
from orchestrator.domain.policy import ErrorRule, RuleKind
from orchestrator.domain.run import Patch, RunState, StepStatus
from orchestrator.domain.verdict import Verdict
from orchestrator.errors import ExpressionError
from orchestrator.store import attempts, inbox, runs
from orchestrator.store.inbox import SettledAttempt
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import say_finished, settle_item
from orchestrator.supervisor.spans import note_verdict, record_step
from orchestrator.supervisor.state import SupervisorState, SupervisorUpdate
from orchestrator.validation import run_pure
from orchestrator.workflow import StepSpec

DRAIN_POLL = 0.5
"""Seconds between two looks whether a cancelled run still has running attempts."""


async def settle(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """Fold in every outcome, timer and request that has come, idempotently by attempt id."""
    context, run = runtime.context, state["run"]
    if run.cancelled:
        return {"run": await _drain(context, run)}
    rows, overdue = await _arrivals(context, run)
    draft = Draft(context, run)
    cancelled = any(row.kind == "cancel" for row in rows)
    if cancelled:
        draft.say(events.RUN_CANCEL_REQUESTED, "", {}, key=events.RUN_CANCEL_REQUESTED)
    else:
        for settled in [row.settled for row in rows if row.settled is not None]:
            await _fold(draft, settled)
        for step, index in overdue:
            await _end_overdue(draft, step, index)
    await _write(draft, cancelling=cancelled)
    agenda = tuple(key for key, item in draft.items.items() if item.wants_dispatch)
    return {
        "run": draft.patch(
            agenda=agenda,
            candidates=_candidates(draft),
            revoked=tuple(draft.revoked),
            consumed=tuple(row.id for row in rows),
            cancelled=cancelled or None,
        )
    }


async def _arrivals(context: RunContext, run: RunState) -> tuple[Sequence[inbox.InboxRow], list[tuple[str, int]]]:
    """Wait for the inbox or for a `total` timeout, whichever comes first. The inbox is read only after a wake-up."""
    while True:
        overdue, next_due = _overdue(context, run)
        if not context.wake.is_set() and not overdue:
            timeout = None if next_due is None else max(0.0, next_due - context.clock())
            try:
                await asyncio.wait_for(context.wake.wait(), timeout)
            except TimeoutError:
                continue
        context.wake.clear()
        rows = await inbox.read_inbox(context.database, context.run_id)
        if rows or overdue:
            return rows, overdue


def _overdue(context: RunContext, run: RunState) -> tuple[list[tuple[str, int]], float | None]:
    """Items whose `total` time is over, and when the next one's will be (Unix seconds)."""
    now, over, due = context.clock(), [], None
    for spec in context.timed_steps:
        if run.steps[spec.id].status is not StepStatus.RUNNING:
            continue
        for item in run.items.get(spec.id, {}).values():
            if item.settled:
                continue
            ends = item.ready_at + (spec.timeout.total or 0.0)
            if ends <= now:
                over.append((spec.id, item.index))
            elif due is None or ends < due:
                due = ends
    return over, due


async def _fold(draft: Draft, settled: SettledAttempt) -> None:
    """Fold one outcome in, unless it is of an attempt that nothing waits for any more."""
    spec = draft.context.workflow.steps.get(settled.step)
    item = draft.items.get((settled.step, settled.item))
    item = item or draft.base.items.get(settled.step, {}).get(settled.item)
    if spec is None or item is None or item.settled:
        return
    if settled.purpose is Purpose.WORK:
        if item.phase is Phase.RUNNING and item.attempt == settled.id:
            await _fold_work(draft, spec, item, settled)
    elif any(judge.attempt == settled.id and judge.phase is Phase.RUNNING for judge in item.judges):
        await _fold_verdict(draft, spec, item, settled)


async def _fold_work(draft: Draft, spec: StepSpec, item: ItemState, settled: SettledAttempt) -> None:
    if settled.outcome.kind is OutcomeKind.SUCCEEDED and settled.outcome.output is not None:
        verdicts = await _pure_verdicts(draft, spec, item, settled)
        if verdicts:
            _say(draft, item, verdicts)
        judges = [validator.name for validator in spec.validators if validator.worker is not None]
        after = on_output(item, settled.outcome.output, verdicts, judges, spec.on_invalid)
    else:
        error = _error_of(settled)
        choose = await _chooser(draft, spec)
        after = on_failure(item, error, spec.retry, spec.on_invalid, choose)
    _place(draft, spec, item, after)


async def _fold_verdict(draft: Draft, spec: StepSpec, item: ItemState, settled: SettledAttempt) -> None:
    assert item.attempt is not None, "a judge is asked about an attempt"
    if settled.outcome.kind is OutcomeKind.SUCCEEDED and settled.outcome.output is not None:
        said = await draft.context.payloads.value(draft.context.tenant, settled.outcome.output)
        verdict = Verdict(
            passed=bool(said["passed"]),
            message=said.get("message") or "",
            validator=settled.validator,
            score=said.get("score"),
            evidence=said.get("evidence"),
        )
        _say(draft, item, [verdict])
        after = on_verdict(item, verdict, spec.on_invalid)
    else:
        choose = await _chooser(draft, spec)
        after = on_judge_failure(item, settled.validator, _error_of(settled), spec.retry, choose)
        if after.phase is not Phase.VALIDATING:
            others = [judge.attempt for judge in item.judges if judge.phase is Phase.RUNNING]
            draft.revoked += [attempt for attempt in others if attempt is not None and attempt != settled.id]
    _place(draft, spec, item, after)


def _say(draft: Draft, item: ItemState, verdicts: Sequence[Verdict]) -> None:
    """Store and show what was said of the item's present output."""
    assert item.attempt is not None, "an output comes from an attempt"
    draft.put_verdicts(item.attempt, verdicts, item)
    for verdict in verdicts:
        note_verdict(draft.context, item, verdict)


async def _pure_verdicts(draft: Draft, spec: StepSpec, item: ItemState, settled: SettledAttempt) -> tuple[Verdict, ...]:
    """What the output schema and the `expr` validators say; they run here because they cannot do anything else."""
    context = draft.context
    if spec.output is None and not any(validator.expr is not None for validator in spec.validators):
        return ()
    assert settled.outcome.output is not None and item.with_ is not None
    value = await context.payloads.value(context.tenant, settled.outcome.output)
    return run_pure(
        spec.validators,
        spec.output,
        value=value,
        input=await context.payloads.value(context.tenant, item.with_),
        variables=await context.scope(draft.base, spec),
        expressions=context.expressions,
    )


async def _chooser(draft: Draft, spec: StepSpec) -> ChooseRule:
    """How `on_error` picks its rule; a `continue` rule's output is stored on the way."""
    context = draft.context
    scope = await context.scope(draft.base, spec) if spec.on_error else {}

    def choose(error: ErrorInfo, used: tuple[int, ...]) -> tuple[int, ErrorRule] | None:
        variables = {**scope, "error": error.as_json()}
        for place, rule in enumerate(spec.on_error):
            if place not in used and _applies(context, rule, variables):
                return place, _with_output(draft, rule, variables)
        return None

    return choose


def _with_output(draft: Draft, rule: ErrorRule, variables: dict[str, Any]) -> ErrorRule:
    """A `continue` rule with its output rendered and stored; one that does not evaluate leaves the step failed."""
    if rule.kind is not RuleKind.CONTINUE:
        return rule
    try:
        rendered = draft.context.expressions.render(rule.output, variables)
    except ExpressionError:
        return ErrorRule(RuleKind.FAIL)
    draft.put_value(rendered)
    return replace(rule, output=rendered)


def _applies(context: RunContext, rule: ErrorRule, variables: dict[str, Any]) -> bool:
    if not rule.condition:
        return True
    try:
        return context.expressions.evaluate(rule.condition, variables) is True
    except ExpressionError:
        return False


async def _end_overdue(draft: Draft, step: str, index: int) -> None:
    """End an item whose total time is over, and have its attempts called back."""
    spec, item = draft.context.spec(step), draft.item(step, index)
    if item.settled:
        return
    running = [item.attempt] if item.phase is Phase.RUNNING else [judge.attempt for judge in item.judges]
    draft.revoked += [attempt for attempt in running if attempt is not None]
    after = on_total_timeout(item, spec.timeout.total or 0.0, draft.context.clock(), await _chooser(draft, spec))
    _place(draft, spec, item, after)


def _place(draft: Draft, spec: StepSpec, before: ItemState, after: ItemState) -> None:
    """Keep what became of an item, and say so where a remedy was applied."""
    if after.remedy_used != before.remedy_used or after.remedy != before.remedy:
        remedy = spec.on_invalid[after.remedy] if after.remedy < len(spec.on_invalid) else None
        data = {
            "do": str(remedy.kind) if remedy else "fail",
            "times": after.remedy_used,
            "message": "; ".join(after.feedback),
            "worker": remedy.worker if remedy else None,
            "model": remedy.model if remedy else None,
            "number": before.number,
        }
        key = f"{events.REMEDY}/{before.step}/{before.index}/{before.number}"
        draft.say(events.REMEDY, before.step, data, item=before.index, attempt=before.attempt, key=key)
    if after.settled:
        settle_item(draft, spec, after)
    else:
        draft.put_item(after)


def _candidates(draft: Draft) -> tuple[str, ...]:
    """Steps that dispatch must look at: dependants of what has settled, and `foreach` steps with room for more."""
    found: dict[str, None] = {}
    for step in draft.steps.values():
        if step.settled:
            found.update(dict.fromkeys(draft.context.dependants.get(step.id, ())))
        elif step.total is not None and step.sent < step.total:
            found[step.id] = None
    return tuple(found)


async def _write(draft: Draft, *, cancelling: bool = False) -> None:
    if draft.empty:
        return
    context = draft.context
    if cancelling:
        async with context.database.transaction() as connection:
            await draft.write(connection)
            await runs.set_cancelling(connection, context.run_id)
    else:
        await draft.write(context.database)
    for step in draft.steps.values():
        record_step(context, step)


async def _drain(context: RunContext, run: RunState) -> Patch:
    """After a cancel: wait until no attempt of the run runs or could run, then end every open step."""
    while True:
        context.wake.clear()
        if await attempts.count_running(context.database, context.run_id) == 0:
            break
        try:
            await asyncio.wait_for(context.wake.wait(), DRAIN_POLL)
        except TimeoutError:
            continue
    rows = await inbox.read_inbox(context.database, context.run_id)
    draft = Draft(context, run)
    now = context.clock()
    for step in run.steps.values():
        if not step.settled:
            ended = replace(step, status=StepStatus.CANCELLED, reason="the run was cancelled", finished_at=now)
            draft.put_step(ended)
            say_finished(draft, ended)
    await _write(draft)
    return draft.patch(consumed=tuple(row.id for row in rows))


def _error_of(settled: SettledAttempt) -> ErrorInfo:
    kind = settled.outcome.kind
    return settled.outcome.error or ErrorInfo(str(kind), str(kind), f"the attempt ended as {kind}")
