"""The plans of a run while it runs: each as a table once it is made, then what becomes of its steps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rich.text import Text

from orchestrator.cli.event_lines import event_line, first_line
from orchestrator.cli.quantities import NOTHING, cost_text
from orchestrator.cli.tables import plain_table
from orchestrator.domain import event as kinds

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.app import Orchestrator
    from orchestrator.client import RunHandle

STEP_KINDS = frozenset({kinds.STEP_STARTED, kinds.STEP_FINISHED, kinds.STEP_SKIPPED, kinds.STEP_REUSED})


async def show_plans(app: Orchestrator, handle: RunHandle, console: Console, *, planned: bool = False) -> None:
    """Follow the runs below a run, and print plans and the steps of planned runs, until all have ended.

    Args:
        app: opened.
        handle: the run.
        console: where they are printed.
        planned: whether the run itself carries out a plan.
    """
    plans: set[str] = set()
    async with asyncio.TaskGroup() as below:
        async for stored in handle.events():
            event = stored.event
            if event.kind == kinds.PLAN_MADE:
                plans.add(event.step)
                print_plan(console, event.data)
            elif event.kind == kinds.RUN_CHILD_STARTED:
                child = await app.handle(str(event.data["run"]), tenant=event.tenant)
                below.create_task(show_plans(app, child, console, planned=event.step in plans))
            elif planned and event.kind in STEP_KINDS:
                console.print(Text(f"  plan: {event_line(stored)}"), soft_wrap=True)


def print_plan(console: Console, made: dict[str, Any]) -> None:
    """A plan as a table, with who made it and what it is expected to cost."""
    why = f", because {first_line(made['why'])}" if made.get("why") else ""
    tries = f" in {made['tries']} tries" if (made.get("tries") or 0) > 1 and not why else ""
    console.print(Text(f"planned by {made['planned_by']}{tries}{why}:"), soft_wrap=True)
    table = plain_table(("step", "worker", "needs", "of each"))
    for step in made["steps"]:
        needs = ", ".join(step["needs"]) or NOTHING
        table.add_row(*(Text(str(cell)) for cell in (step["id"], step["worker"], needs, _each(step))))
    console.print(table)
    console.print(Text(cost_of_plan(made.get("cost") or {})), soft_wrap=True)


def cost_of_plan(cost: dict[str, Any]) -> str:
    """`expected cost $0.02 and more: nothing is known of x.y`."""
    text = f"expected cost {cost_text(cost.get('expected_usd') or 0.0)}"
    if cost.get("of_each_item"):
        text += f", {', '.join(cost['of_each_item'])} for each item"
    return text + (f"; no past attempts of {', '.join(cost['not_known'])}" if cost.get("not_known") else "")


def _each(step: dict[str, Any]) -> str:
    return "item of a list" if step.get("foreach") else NOTHING
