"""From an item to the attempts that it wants: rendering its expressions, and ordering work and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.attempt import AttemptOrder, Purpose
from orchestrator.domain.identity import NO_ITEM, attempt_id, traceparent
from orchestrator.domain.item import ItemState, Judge, Phase, on_judge_sent, on_sent
from orchestrator.domain.worker import AGENT_WORKER, VALIDATOR_POOL
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import StepSpec, ValidatorSpec


def item_scope(spec: StepSpec, scope: Mapping[str, Any], index: int, value: Any) -> dict[str, Any]:
    """A step's variables with those of one item besides: the name after `as`, and `index`."""
    if spec.foreach is None:
        return dict(scope)
    return {**scope, spec.foreach.as_: value, "index": index}


def prepare_item(draft: Draft, spec: StepSpec, scope: Mapping[str, Any], index: int, value: Any) -> ItemState:
    """An item with its `with`, prompt and idempotency key rendered, READY for its first attempt.

    Raises:
        ExpressionError: one of its expressions does not evaluate.
    """
    context = draft.context
    variables = item_scope(spec, scope, index, value)
    with_value = context.expressions.render(spec.with_, variables)
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
    key = f"{context.run_id}/{spec.id}" + ("" if index == NO_ITEM else f"/{index}")
    if spec.idempotency_key is not None:
        key = context.expressions.render_text(spec.idempotency_key, variables)
    return ItemState(
        spec.id,
        index,
        with_=draft.put_value(with_value),
        input=envelope,
        idempotency_key=key,
        ready_at=context.clock(),
    )


def order_work(draft: Draft, spec: StepSpec, item: ItemState) -> ItemState:
    """Order the item's next attempt."""
    context = draft.context
    number = item.number + 1
    attempt = attempt_id(context.run_id, spec.id, item.index, number)
    worker, pool = item.worker or spec.worker, item.pool or spec.pool
    assert item.with_ is not None, "an item is prepared before it is sent"
    options: dict[str, Any] = {"revision": item.revision}
    if spec.secrets:
        options["secrets"] = list(spec.secrets)
    if item.feedback:
        options["feedback"] = list(item.feedback)
    if item.rejected is not None:
        options["rejected"] = item.rejected.sha256
    if worker == AGENT_WORKER:
        options |= {"model": item.model or spec.model, "price_cap_usd": spec.price_cap_usd}
    order = AttemptOrder(
        id=attempt,
        run_id=context.run_id,
        tenant=context.tenant,
        step=spec.id,
        item=item.index,
        number=number,
        purpose=Purpose.WORK,
        worker=worker,
        pool=pool,
        input=item.input if worker == AGENT_WORKER and item.input is not None else item.with_,
        options=options,
        priority=spec.priority + context.run.priority,
        delay=item.delay,
        timeout=spec.timeout.attempt,
        idle=spec.timeout.idle,
        traceparent=traceparent(context.run_id, spec.id),
        idempotency_key=item.idempotency_key,
    )
    _place(draft, order, why=item.why or "first")
    return on_sent(item, attempt)


def order_judges(draft: Draft, spec: StepSpec, item: ItemState) -> ItemState:
    """Order an attempt for every judge of the item that is READY."""
    for judge in item.judges:
        if judge.phase is Phase.READY:
            validator = next(v for v in spec.validators if v.name == judge.name)
            order = _judge_order(draft, spec, item, judge, validator)
            _place(draft, order, why="retry" if judge.tries else "first")
            item = on_judge_sent(item, judge.name, order.id)
    return item


def _judge_order(draft: Draft, spec: StepSpec, item: ItemState, judge: Judge, validator: ValidatorSpec) -> AttemptOrder:
    context = draft.context
    number = judge.tries + 1
    assert item.with_ is not None and item.output is not None and item.attempt is not None
    assert validator.worker is not None
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
        input=item.with_,
        options={"output": item.output.sha256, "revision": item.revision},
        priority=spec.priority + context.run.priority,
        delay=judge.delay,
        timeout=validator.timeout,
        traceparent=traceparent(context.run_id, spec.id),
        idempotency_key=f"{item.idempotency_key}/{item.number}:{judge.name}",
    )


def _place(draft: Draft, order: AttemptOrder, why: str) -> None:
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
        "why": why,
    }
    key = f"{events.ATTEMPT_QUEUED}/{order.id}"
    draft.say(events.ATTEMPT_QUEUED, order.step, data, item=order.item, attempt=order.id, key=key)
