"""What one checkpoint of a run added to what was known: as lines for people, and as JSON. Pure: no terminal here."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.cli.event_lines import first_line
from orchestrator.cli.quantities import plural
from orchestrator.domain.identity import NO_ITEM

if TYPE_CHECKING:
    from orchestrator.client import Moment
    from orchestrator.domain.item import ItemState
    from orchestrator.domain.run import StepState

MOST_STEPS = 20
"""Steps of one checkpoint that are listed; the rest is counted."""


def moment_lines(moment: Moment) -> list[str]:
    """A line that says which checkpoint it is and what the run is about, and one for each step that it changed."""
    head = f"{moment.number:>4}  {datetime.fromtimestamp(moment.at).astimezone().strftime('%H:%M:%S.%f')[:-3]}"
    items: dict[str, list[ItemState]] = defaultdict(list)
    for item in moment.items:
        items[item.step].append(item)
    steps = {step.id: step for step in moment.steps}
    changed = [each for each in dict.fromkeys([*steps, *items]) if each in items or steps[each].status != "waiting"]
    lines = [_line(each, steps.get(each), items.get(each, [])) for each in changed[:MOST_STEPS]]
    if len(changed) > MOST_STEPS:
        lines.append(f"… and {plural(len(changed) - MOST_STEPS, 'more step')}")
    waiting = sum(step.status == "waiting" for step in moment.steps)
    lines += [f"{plural(waiting, 'step')} waiting"] if waiting else []
    lines += _of_run(moment)
    return [f"{head if place == 0 else ' ' * len(head)}  {line}" for place, line in enumerate(lines or ["nothing new"])]


def _line(name: str, step: StepState | None, items: list[ItemState]) -> str:
    parts = [name]
    if step is not None:
        parts.append(str(step.status) + (" (dead letter)" if step.dead else ""))
    of_list = [item for item in items if item.index != NO_ITEM]
    if of_list:
        parts.append(", ".join(f"{count} {phase}" for phase, count in Counter(str(i.phase) for i in of_list).items()))
    elif items and (step is None or not step.settled):
        item = items[0]
        parts.append(f"attempt {item.number} {item.phase}" + (f", {item.why}" if item.why else ""))
    if step is not None and (why := step.error.message if step.error and not step.reason else step.reason):
        parts.append(first_line(why))
    return " · ".join(parts)


def _of_run(moment: Moment) -> list[str]:
    lines = []
    account = moment.account
    if account is not None and (account.usd or account.tokens or account.reserved.all):
        held = account.reserved.all
        reserved = f", reserved: {held.as_text()}" if held else ""
        lines.append(f"account: ${account.usd:.4f}, {account.tokens:,} tokens{reserved}")
    if account is not None and account.paused:
        needs = f" for {account.needed.as_text()}" if account.needed else ""
        lines.append(f"the run is paused: its budget {'has no room' + needs if needs else 'is used up'}")
    if moment.cancelled:
        lines.append("the run is to be cancelled")
    if moment.stopped is not None:
        lines.append(f"the run is to end: {first_line(moment.stopped.message)}")
    if moment.ending is not None:
        lines.append(f"the run has {moment.ending.status}; what is left is `finally`")
    return lines


def moment_json(moment: Moment) -> dict[str, Any]:
    """A moment as plain JSON, what has its default left out; times are Unix seconds, outputs are digests."""
    account = moment.account
    data = {
        "number": moment.number,
        "at": round(moment.at, 6),
        "steps": [_step_json(step) for step in moment.steps],
        "items": [_item_json(item) for item in moment.items],
        "account": None
        if account is None
        else {
            "usd": account.usd,
            "tokens": account.tokens,
            "reserved": account.reserved.all.as_json(),
            "paused": account.paused,
            "budget": account.budget.as_json(),
        },
        "cancelled": moment.cancelled,
        "stopped": moment.stopped.as_json() if moment.stopped else None,
        "ending": str(moment.ending.status) if moment.ending else None,
    }
    return {name: value for name, value in data.items() if value not in (None, False)}


def _step_json(step: StepState) -> dict[str, Any]:
    data = {
        "step": step.id,
        "status": str(step.status),
        "reason": step.reason,
        "items_total": step.total,
        "items_done": step.done,
        "items_failed": step.failed,
        "attempts": step.attempts,
        "output": step.output.sha256 if step.output else None,
        "error": step.error.as_json() if step.error else None,
        "dead": step.dead,
        "reused_from": str(step.reused_from) if step.reused_from else None,
    }
    return {name: value for name, value in data.items() if value not in (None, False, "", 0)}


def _item_json(item: ItemState) -> dict[str, Any]:
    data = {
        "step": item.step,
        "item": None if item.index == NO_ITEM else item.index,
        "phase": str(item.phase),
        "attempts": item.number or None,
        "attempt": str(item.attempt) if item.attempt else None,
        "output": item.output.sha256 if item.output else None,
        "error": item.error.as_json() if item.error else None,
        "why": item.why or None,
        "dead": item.dead or None,
    }
    return {name: value for name, value in data.items() if value is not None}
