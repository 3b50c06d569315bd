"""From an item to the attempts that it wants: rendering its expressions, and ordering work and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.attempt import AttemptOrder, Purpose
from orchestrator.domain.gate import step_rate
from orchestrator.domain.identity import NO_ITEM, attempt_id, traceparent
from orchestrator.domain.item import ItemState, Judge, on_asked, on_judge_sent, on_sent
from orchestrator.domain.worker import (
    AGENT_WORKER,
    HUMAN_WORKER,
    PLANNER_WORKER,
    RUN_WORKER,
    UNCLAIMED,
    VALIDATOR_POOL,
)
from orchestrator.store.runs import NewRun
from orchestrator.supervisor.children import child_run, handed_down
from orchestrator.supervisor.context import RunContext, item_scope
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.judging import judge_case
from orchestrator.supervisor.planned import planner_case
from orchestrator.supervisor.questions import expires_at, question
from orchestrator.supervisor.reserving import grant, grant_all
from orchestrator.supervisor.reuse import render_with
from orchestrator.workflow import StepSpec
from orchestrator.workflow.planning import FEEDBACK

KINDS_SAID = {HUMAN_WORKER: events.HUMAN_ASKED, RUN_WORKER: events.RUN_CHILD_STARTED}
"""The event of an attempt that does not wait in a queue."""


def prepare_item(draft: Draft, spec: StepSpec, scope: Mapping[str, Any], index: int, value: Any) -> ItemState:
    """An item with its `with`, prompt and idempotency key rendered, READY for its first attempt.

    Raises:
        ExpressionError: one of its expressions does not evaluate.
    """
    item = ItemState(spec.id, index, ready_at=draft.context.clock())
    return _rendered(draft, spec, item, item_scope(spec, scope, index, value), spec.with_)


async def prepare_iteration(draft: Draft, spec: StepSpec, item: ItemState) -> ItemState:
    """The same for a further iteration of a `repeat`, which sees the output of the one before it.

    Raises:
        ExpressionError: one of its expressions does not evaluate.
    """
    assert spec.repeat is not None and item.previous is not None
    context = draft.context
    output = await context.payloads.value(context.tenant, item.previous)
    scope = await context.scope(draft.state(), spec)
    variables = {**scope, "previous": {"output": output}, "iteration": item.iteration}
    return _rendered(draft, spec, item, variables, {**spec.with_, **spec.repeat.with_})


def _rendered(
    draft: Draft, spec: StepSpec, item: ItemState, variables: Mapping[str, Any], template: Mapping[str, Any]
) -> ItemState:
    context = draft.context
    with_value = render_with(context, spec.id, template, variables)
    envelope = None
    if spec.kind == "agent":
        seen = {**variables, "with": with_value}
        envelope = draft.put_value(
            {
                "prompt": context.expressions.render_text(spec.prompt or "", seen),
                "system": None if spec.system is None else context.expressions.render_text(spec.system, seen),
                "schema": spec.output,
                "with": with_value,
            }
        )
    key = f"{context.run_id}/{spec.id}" + ("" if item.index == NO_ITEM else f"/{item.index}")
    if spec.idempotency_key is not None:
        key = context.expressions.render_text(spec.idempotency_key, variables)
    if item.iteration > 1:
        key += f"/{item.iteration}"
    return replace(item, with_=draft.put_value(with_value), input=envelope, idempotency_key=key)


async def order_work(draft: Draft, spec: StepSpec, item: ItemState) -> ItemState:
    """Order the item's next attempt: of a worker, of a child run, or of a person. It stays READY if it has to wait.

    Raises:
        ExpressionError: a person is asked, and `assignee` does not evaluate.
        InputsInvalid: a child run is to begin, and `with` does not fit its inputs.
        BudgetRefused: its budget will never have room for it.
        PlanInvalid: a plan's run is to begin, and the plan is not sound.
    """
    context, now = draft.context, draft.context.clock()
    worker = item.worker or spec.worker
    attempt = attempt_id(context.run_id, spec.id, item.index, item.number + 1)
    trace = traceparent(context.run_id, spec.id)
    assert item.with_ is not None, "an item is prepared before it is sent"
    options = _options(context, spec, item, worker)
    payload = item.input if worker == AGENT_WORKER and item.input is not None else item.with_
    said: dict[str, Any] = {}
    child: NewRun | None = None
    if worker == PLANNER_WORKER:
        payload = await planner_case(draft, spec, item)
    elif worker == HUMAN_WORKER:
        asked = await question(draft, spec, item)
        payload = draft.put_value(asked)
        options["expires_at"] = expires_at(spec, now)
        said = {"assignee": asked["assignee"], "expires_at": options["expires_at"]}
    elif worker == RUN_WORKER:
        given = await context.payloads.value(context.tenant, item.with_)
        if spec.kind == "plan":
            given = {**given, FEEDBACK: list(item.feedback)}
        child = await child_run(draft, spec, attempt, given, trace)
        said = {"run": str(attempt)}
    order = AttemptOrder(
        id=attempt,
        run_id=context.run_id,
        tenant=context.tenant,
        step=spec.id,
        item=item.index,
        number=item.number + 1,
        purpose=Purpose.WORK,
        worker=worker,
        pool="" if worker in UNCLAIMED else item.pool or spec.pool,
        input=payload,
        options=options,
        priority=spec.priority + context.run.priority,
        delay=item.delay,
        timeout=spec.timeout.attempt,
        idle=spec.timeout.idle,
        traceparent=trace,
        idempotency_key=item.idempotency_key,
    )
    leave = await grant(draft, spec, item, order)
    if leave is None:
        return item
    order = leave.apply(order)
    if child is not None:
        draft.children.append(replace(child, budget=handed_down(draft, spec, leave.allowance)))
    if leave.tier is not None:
        said |= {"model": leave.tier, "instead_of": options.get("model")}
    _place(draft, order, {"why": item.why or "first", **said})
    sent = on_sent(item, attempt)
    return on_asked(sent, now) if worker == HUMAN_WORKER else sent


def _options(context: RunContext, spec: StepSpec, item: ItemState, worker: str) -> dict[str, Any]:
    options: dict[str, Any] = {"revision": item.revision}
    if spec.secrets:
        options["secrets"] = list(spec.secrets)
    if spec.rate is not None:
        options["rate"] = step_rate(context.tenant, context.workflow.name, spec.id, spec.rate)
    if item.feedback:
        options["feedback"] = list(item.feedback)
    if item.rejected is not None:
        options["rejected"] = item.rejected.sha256
    if item.iteration > 1:
        options["iteration"] = item.iteration
    if worker in (AGENT_WORKER, PLANNER_WORKER):
        options |= {"model": item.model or spec.model, "price_cap_usd": spec.price_cap_usd}
        options |= {"tools": list(spec.tools), "max_turns": spec.max_turns} if spec.tools else {}
    return options


async def order_judges(draft: Draft, spec: StepSpec, item: ItemState) -> ItemState:
    """Order an attempt for every judge of the item that is due; one that has to wait stays READY.

    Raises:
        ExpressionError: an expression of a rubric does not evaluate; then none is ordered.
        BudgetRefused: what a judge costs is not known.
    """
    orders = [(judge, await _judge_order(draft, spec, item, judge)) for judge in item.judges_due]
    leaves = await grant_all(draft, spec, item, [order for _, order in orders])
    for (judge, given), leave in zip(orders, leaves, strict=True):
        if leave is None:
            continue
        order = leave.apply(given)
        _place(draft, order, {"why": "retry" if judge.tries else "first"})
        item = on_judge_sent(item, judge.name, order.id)
    return item


async def _judge_order(draft: Draft, spec: StepSpec, item: ItemState, judge: Judge) -> AttemptOrder:
    context = draft.context
    number = judge.tries + 1
    validator = next(validator for validator in spec.validators if validator.name == judge.name)
    assert item.with_ is not None and item.output is not None and item.attempt is not None
    assert validator.worker is not None
    payload = item.with_
    options: dict[str, Any] = {"output": item.output.sha256, "revision": item.revision}
    if validator.judge is not None:
        payload = await judge_case(draft, spec, item, validator.judge, judge.name)
        options |= {
            "output_size": item.output.size,
            "model": validator.judge.model,
            "price_cap_usd": validator.judge.price_cap_usd,
        }
    return AttemptOrder(
        id=attempt_id(context.run_id, spec.id, item.index, number, f"{item.number}:{judge.name}"),
        run_id=context.run_id,
        tenant=context.tenant,
        step=spec.id,
        item=item.index,
        number=number,
        purpose=Purpose.VALIDATE,
        validator=judge.name,
        judges=item.attempt,
        worker=validator.worker,
        pool=validator.pool or VALIDATOR_POOL,
        input=payload,
        options=options,
        priority=spec.priority + context.run.priority,
        delay=judge.delay,
        timeout=validator.timeout,
        traceparent=traceparent(context.run_id, spec.id),
        idempotency_key=f"{item.idempotency_key}/{item.number}:{judge.name}",
    )


def _place(draft: Draft, order: AttemptOrder, said: Mapping[str, Any]) -> None:
    draft.orders.append(order)
    step = draft.step(order.step)
    if order.purpose is Purpose.WORK:
        draft.put_step(replace(step, attempts=step.attempts + 1))
    data = {
        "worker": order.worker,
        "pool": order.pool,
        "number": order.number,
        "purpose": str(order.purpose),
        "validator": order.validator,
        "delay": round(order.delay, 3),
        **said,
    }
    kind = KINDS_SAID.get(order.worker, events.ATTEMPT_QUEUED)
    draft.say(kind, order.step, data, item=order.item, attempt=order.id, key=f"{kind}/{order.id}")
