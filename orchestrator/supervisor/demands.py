"""What an attempt may come to use, as far as that can be known before it begins."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from orchestrator.domain.attempt import AttemptOrder, Purpose
from orchestrator.domain.item import ItemState
from orchestrator.domain.reservation import ALL_THAT_IS_LEFT, Demand, Reservation, Room
from orchestrator.domain.worker import AGENT_WORKER, JUDGE_WORKER, MAX_TURNS, RUN_WORKER
from orchestrator.errors import BudgetRefused
from orchestrator.llm.tariffs import Tariff
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import StepSpec

AGENT_FRAME = 400
"""Bytes of what an agent is told besides its prompt: to answer in JSON, and to mend what was rejected."""

JUDGE_FRAME = 3_000
"""Bytes of a judge's prompt besides what it judges, and what it judges by."""

FRAME_OF_EACH = 120
"""Bytes around each value that a rubric names."""

TOOL_SIZE = 1_500
"""Bytes of what a model is told of a tool, guessed."""

TOOL_RESULT = 6_000
"""Bytes that the tools of one turn give, guessed."""

BYTES_PER_TOKEN = 3


async def demand_of(
    draft: Draft, spec: StepSpec, item: ItemState, order: AttemptOrder, *, tier: str | None, room: Room
) -> Demand:
    """What an attempt asks for of `room`, if the tier's model is to carry it out.

    Raises:
        BudgetRefused: there is a limit in USD, and what its model costs is not known.
    """
    if order.worker == RUN_WORKER:
        return _of_child(spec)
    if order.worker not in {AGENT_WORKER, JUDGE_WORKER}:
        return _of_worker(spec, order)
    await draft.context.tariffs.load()
    tariff = draft.context.tariffs.of(tier)
    if tariff is None and room.usd is None:
        return Demand()  # the worker's process knows the tier, or says that nobody does
    if tariff is None:
        raise BudgetRefused(
            f"no price is known for the tier {tier!r}: configs/models.yaml of the supervisor does not have it",
            remedy="give all processes of the project the same tiers",
        )
    priced = room.usd is not None
    if order.worker == JUDGE_WORKER:
        return await _of_judge(draft, order, tariff, priced=priced)
    return await _of_agent(draft, spec, item, tariff, priced=priced)


def _of_child(spec: StepSpec) -> Demand:
    """Its own budget, or all that is left; what is there will do, because the child run keeps to it."""
    own = spec.budget
    if own is None:
        return ALL_THAT_IS_LEFT
    rest = ALL_THAT_IS_LEFT
    return replace(
        rest,
        most_usd=rest.most_usd if own.usd is None else own.usd,
        most_tokens=rest.most_tokens if own.tokens is None else own.tokens,
    )


def _of_worker(spec: StepSpec, order: AttemptOrder) -> Demand:
    """What a worker's own model calls use is not known: what its step says that they may."""
    if spec.budget is None or order.purpose is not Purpose.WORK:
        return Demand()
    return Demand.of(Reservation(spec.budget.usd or 0.0, spec.budget.tokens or 0))


async def _of_judge(draft: Draft, order: AttemptOrder, tariff: Tariff, *, priced: bool) -> Demand:
    case = await draft.context.payloads.value(draft.context.tenant, order.input)
    size = order.input.size + order.options["output_size"] + JUDGE_FRAME + FRAME_OF_EACH * (len(case["material"]) + 2)
    vote = _known(tariff.bound(size, 2, priced=priced), tariff)
    return Demand.of(_capped(vote, order.options.get("price_cap_usd")).times(case["votes"]))


async def _of_agent(draft: Draft, spec: StepSpec, item: ItemState, tariff: Tariff, *, priced: bool) -> Demand:
    assert item.input is not None, "an agent's prompt is rendered before it is sent"
    size = _prompt_size(await draft.context.payloads.value(draft.context.tenant, item.input), item)
    cap = spec.price_cap_usd
    if not spec.tools:
        return Demand.of(_capped(_known(tariff.bound(size, 4, priced=priced), tariff), cap))
    size += TOOL_SIZE * len(spec.tools)
    turns = spec.max_turns or MAX_TURNS
    most, least = (_of_turns(tariff, size, count, cap, priced=priced) for count in (turns, min(2, turns)))
    if cap is not None and priced:
        most = replace(most, usd=cap * turns)
    return Demand(most.usd, most.tokens, least)


def _of_turns(tariff: Tariff, size: int, turns: int, cap: float | None, *, priced: bool) -> Reservation:
    """So many turns, each of which reads what those before it have said and what the tools gave."""
    grown = (turns - 1) * (tariff.max_tokens * BYTES_PER_TOKEN + TOOL_RESULT) // 2
    mean = _known(tariff.bound(size + grown, 2 * turns + 2, priced=priced), tariff)
    return _capped(mean, cap).times(turns)


def _prompt_size(envelope: dict[str, Any], item: ItemState) -> int:
    """Bytes of an agent's first call, in a revision with the rejected output and what was said of it."""
    asked = [envelope.get(name) for name in ("prompt", "system", "schema")]
    size = AGENT_FRAME + len(json.dumps(asked, ensure_ascii=False).encode(errors="replace"))
    if item.feedback:
        size += sum(len(point.encode(errors="replace")) + 4 for point in item.feedback)
        size += item.rejected.size if item.rejected is not None else 0
    return size


def _capped(bound: Reservation, cap: float | None) -> Reservation:
    return bound if cap is None else replace(bound, usd=min(bound.usd, cap))


def _known(bound: Reservation | None, tariff: Tariff) -> Reservation:
    if bound is None:
        raise BudgetRefused(
            f"no price is known for {tariff.settings.model} (tier {tariff.tier!r}), so a budget in USD cannot be kept",
            remedy="give the tier input_price and output_price in configs/models.yaml",
        )
    return bound
