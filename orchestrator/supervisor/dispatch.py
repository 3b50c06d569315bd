"""Dispatch: start what is ready, send every attempt that is due, and wait for none of them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.identity import NO_ITEM
from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.progress import close, has_room
from orchestrator.domain.readiness import Readiness, rule
from orchestrator.domain.run import StepState, StepStatus
from orchestrator.errors import BudgetRefused, ExpressionError, InputsInvalid, PlanInvalid
from orchestrator.supervisor.accounting import at_rest
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import fail_item, fail_step, gathering, say_finished, skip_step
from orchestrator.supervisor.orders import order_judges, order_work, prepare_item, prepare_iteration
from orchestrator.supervisor.reserving import end_shortage
from orchestrator.supervisor.rules import chooser
from orchestrator.workflow import StepSpec

SLICE = 1_000
"""Items of one `foreach` that a superstep starts: more would hold up the other runs of this process."""


async def dispatch(draft: Draft) -> None:
    """Turn what is ready into attempts, and wait for none of them."""
    run = draft.state()
    if run.breaking_off:
        draft.revoked = None
        draft.put(agenda=(), candidates=())
    elif run.paused:  # what is ready goes on waiting
        draft.put(agenda=tuple(draft.agenda), candidates=tuple(draft.candidates))
    else:
        for step, index in draft.agenda:
            await _send(draft, step, index)
            if index != NO_ITEM and (step, index) not in draft.held_up:
                draft.candidates.append(step)  # others of its items may have waited behind it
        await _consider(draft)
        if draft.later or draft.held_up or run.candidates or run.agenda:
            draft.put(agenda=tuple(draft.held_up), candidates=tuple(draft.later))
        end_shortage(draft)
    account = at_rest(draft)
    if account is not None:
        draft.put(account=account)


async def _consider(draft: Draft) -> None:
    """Start or skip each candidate that is ready; what settles at once makes its dependants candidates."""
    work = deque(dict.fromkeys(draft.candidates))
    while work:
        step = draft.step(work.popleft())
        spec = draft.context.spec(step.id)
        if step.status is StepStatus.RUNNING and step.total is not None:
            await _fill(draft, spec)
        elif step.status is StepStatus.WAITING:
            ruling = rule(spec.needs, {needed: draft.step(needed) for needed in spec.needs})
            if ruling.readiness is Readiness.SKIP:
                skip_step(draft, step, ruling.reason)
            elif ruling.readiness is Readiness.GO:
                await _start(draft, spec, step)
        if draft.step(step.id).settled and not step.settled:
            work.extend(draft.context.dependants.get(step.id, ()))


async def _start(draft: Draft, spec: StepSpec, step: StepState) -> None:
    context = draft.context
    try:
        scope = await context.scope(draft.state(), spec)
        if spec.when is not None and not context.truth(spec.when, scope, "when"):
            skip_step(draft, step, f"when: {spec.when} was false")
            return
        started = replace(step, status=StepStatus.RUNNING, started_at=context.clock())
        if spec.foreach is not None:
            started = _with_items(draft, spec, started, context.expressions.render(spec.foreach.items, scope))
    except ExpressionError as error:
        fail_step(draft, step, error)
        return
    draft.put_step(started)
    data: dict[str, Any] = {"worker": spec.worker, "pool": spec.pool, "items": started.total}
    draft.say(events.STEP_STARTED, step.id, data, key=f"{events.STEP_STARTED}/{step.id}")
    if started.settled:
        say_finished(draft, started)
    elif spec.foreach is None:
        await _send_new(draft, spec, scope, NO_ITEM, None)
    else:
        await _fill(draft, spec)


def _with_items(draft: Draft, spec: StepSpec, step: StepState, items: Any) -> StepState:
    if not isinstance(items, list):
        message = f"foreach.items gave {type(items).__name__}, not a list"
        raise ExpressionError(message, expression=str(spec.foreach.items if spec.foreach else ""))
    counted = replace(step, total=len(items), items=draft.put_value(items))
    return close(counted, gathering(spec), draft.context.clock()) if not items else counted


async def _fill(draft: Draft, spec: StepSpec) -> None:
    """Start as many further items of a `foreach` as its `max_parallel` leaves room for, a slice in each superstep.

    Once the budget has no room for one of them, the others wait behind it.
    """
    step = draft.step(spec.id)
    assert spec.foreach is not None
    limit, judged_by = spec.foreach.max_parallel, gathering(spec)
    if step.items is None or not has_room(step, judged_by, limit) or any(held == spec.id for held, _ in draft.held_up):
        return
    scope = await draft.context.scope(draft.state(), spec)
    values = await draft.context.payloads.value(draft.context.tenant, step.items)
    last = step.sent + SLICE
    while has_room(step, judged_by, limit) and step.sent < last:
        await _send_new(draft, spec, scope, step.sent, values[step.sent])
        if (spec.id, step.sent) in draft.held_up:
            return
        step = draft.step(spec.id)
    if has_room(step, judged_by, limit):
        draft.later.append(spec.id)


async def _send_new(draft: Draft, spec: StepSpec, scope: dict[str, Any], index: int, value: Any) -> None:
    """Prepare an item from its expressions and send its first attempt."""
    step = draft.step(spec.id)
    draft.put_step(replace(step, sent=step.sent + 1))
    try:
        draft.put_item(prepare_item(draft, spec, scope, index, value))
    except ExpressionError as error:
        fail_item(draft, spec, ItemState(spec.id, index), error, await chooser(draft, spec))
        return
    await _send(draft, spec.id, index)


async def _send(draft: Draft, step: str, index: int) -> None:
    """Send what an item left READY wants: its work, or its judges."""
    before = item = draft.item(step, index)
    if not item.wants_dispatch or draft.step(step).settled:
        return
    spec = draft.context.spec(step)
    try:
        if item.phase is not Phase.READY:
            after = await order_judges(draft, spec, item)
        else:
            if item.with_ is None:
                item = await prepare_iteration(draft, spec, item)
            after = await order_work(draft, spec, item)
        if after is not before:  # else it waits as it was
            draft.put_item(after)
    except (ExpressionError, InputsInvalid, PlanInvalid, BudgetRefused) as error:
        after = fail_item(draft, spec, item, error, await chooser(draft, spec))
        if after.wants_dispatch:  # `on_error` has handed it to somebody else
            await _send(draft, step, index)
