"""Settling: sleep until something is in the inbox, then fold in all that is there, idempotently by attempt id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.domain import event as events
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.identity import AttemptId
from orchestrator.domain.item import (
    ItemState,
    Phase,
    on_answered,
    on_expired,
    on_failure,
    on_judge_failure,
    on_output,
    on_total_timeout,
    on_verdict,
)
from orchestrator.domain.outcome import ErrorInfo, OutcomeKind
from orchestrator.domain.run import RunState, RunStatus
from orchestrator.domain.verdict import Verdict
from orchestrator.store import inbox
from orchestrator.store.inbox import SettledAttempt
from orchestrator.supervisor.accounting import reckon
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import settle_item
from orchestrator.supervisor.iterations import iterated
from orchestrator.supervisor.parking import rest
from orchestrator.supervisor.rules import chooser
from orchestrator.supervisor.spans import note_verdict
from orchestrator.supervisor.timers import Timers, ends_at, is_asked, read_timers
from orchestrator.validation import run_pure
from orchestrator.workflow import StepSpec


async def settle(draft: Draft) -> None:
    """Wait for outcomes, timers, answers and requests, and fold in all that has come; dispatch goes on from there."""
    run = draft.base
    rows, timers = await _arrivals(draft.context, run)
    draft.consumed += [row.id for row in rows]
    if run.ending is None and any(row.kind == inbox.CANCEL for row in rows):
        draft.say(events.RUN_CANCEL_REQUESTED, "", {}, key=events.RUN_CANCEL_REQUESTED)
        draft.status = RunStatus.CANCELLING
        draft.put(cancelled=True)
        return
    for settled in [row.settled for row in rows if row.settled is not None]:
        await _fold(draft, settled)
    for step, index in timers.overdue:
        await _end_overdue(draft, step, index)
    reckon(draft, rows)
    draft.agenda += [*run.agenda, *(key for key, item in draft.items.items() if item.wants_dispatch)]
    draft.candidates += dict.fromkeys((*run.candidates, *_candidates(draft)))


async def _arrivals(context: RunContext, run: RunState) -> tuple[Sequence[inbox.InboxRow], Timers]:
    """Wait for the inbox or for a timer, whichever comes first. The inbox is read only after a wake-up.

    Raises:
        Parked: that takes long, and nothing of the run may stay here meanwhile.
    """
    while True:
        timers = read_timers(context, run)
        if not context.wake.is_set() and not timers.ring:
            await rest(context, run, timers.next)
            if not context.wake.is_set():
                continue
        context.wake.clear()
        rows = await context.inbox.ask(context.run_id)
        if rows or timers.ring:
            return rows, timers


async def _fold(draft: Draft, settled: SettledAttempt) -> None:
    """Fold one outcome in, unless it is of an attempt that nothing waits for any more."""
    spec = draft.context.workflow.all_steps.get(settled.step)
    item = draft.known_item(settled.step, settled.item)
    if spec is None or item is None or item.settled:
        return
    if settled.purpose is Purpose.WORK:
        if item.phase is Phase.RUNNING and item.attempt == settled.id:
            await _fold_work(draft, spec, item, settled)
    elif any(judge.attempt == settled.id and judge.phase is Phase.RUNNING for judge in item.judges):
        await _fold_verdict(draft, spec, item, settled)


async def _fold_work(draft: Draft, spec: StepSpec, before: ItemState, settled: SettledAttempt) -> None:
    item = on_answered(before, draft.context.clock())
    if settled.outcome.kind is OutcomeKind.SUCCEEDED and settled.outcome.output is not None:
        verdicts = await _pure_verdicts(draft, spec, item, settled)
        if verdicts:
            _say(draft, item, verdicts)
        called = [validator for validator in spec.validators if validator.worker is not None]
        code = [validator.name for validator in called if validator.judge is None]
        models = [validator.name for validator in called if validator.judge is not None]
        after = on_output(item, settled.outcome.output, verdicts, code, spec.on_invalid, later=models)
    else:
        error = _error_of(settled)
        choose = await chooser(draft, spec)
        after = on_failure(item, error, spec.retry, spec.on_invalid, choose)
    await _place(draft, spec, item, after)


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
        after = on_verdict(item, replace(verdict, evidence=None), spec.on_invalid)  # its row keeps the evidence
    else:
        choose = await chooser(draft, spec)
        after = on_judge_failure(item, settled.validator, _error_of(settled), spec.retry, choose)
        if after.phase is not Phase.VALIDATING:
            others = [judge.attempt for judge in item.judges if judge.phase is Phase.RUNNING]
            revoke(draft, [attempt for attempt in others if attempt is not None and attempt != settled.id])
    await _place(draft, spec, item, after)


def revoke(draft: Draft, attempts: Sequence[AttemptId]) -> None:
    """Have attempts called back that nothing waits for any more."""
    if attempts and draft.revoked is not None:
        draft.revoked += attempts
        draft.put(recalled=True)


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


async def _end_overdue(draft: Draft, step: str, index: int) -> None:
    """End an item whose time, or a person's, is over, and have its attempts called back."""
    spec, item = draft.context.spec(step), draft.item(step, index)
    if ends_at(spec, item) is None:  # what came in with the timer has settled it, or has asked a person
        return
    running = [item.attempt] if item.phase is Phase.RUNNING else [judge.attempt for judge in item.judges]
    revoke(draft, [attempt for attempt in running if attempt is not None])
    choose, now = await chooser(draft, spec), draft.context.clock()
    if is_asked(item) and spec.expires is not None:
        after = on_expired(on_answered(item, now), spec.expires.after, skip=spec.expires.then == "skip", choose=choose)
        data = {"then": spec.expires.then, "message": after.error.message if after.error else ""}
        key = f"{events.HUMAN_EXPIRED}/{item.attempt}"
        draft.say(events.HUMAN_EXPIRED, step, data, item=index, attempt=item.attempt, key=key)
    else:
        after = on_total_timeout(item, spec.timeout.total or 0.0, now, choose)
    await _place(draft, spec, item, after)


async def _place(draft: Draft, spec: StepSpec, before: ItemState, after: ItemState) -> None:
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
    if spec.repeat is not None and after.phase is Phase.SUCCEEDED and after.error is None:  # not what `on_error` gave
        after = await iterated(draft, spec, after)
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


def _error_of(settled: SettledAttempt) -> ErrorInfo:
    kind = settled.outcome.kind
    return settled.outcome.error or ErrorInfo(str(kind), str(kind), f"the attempt ended as {kind}")
