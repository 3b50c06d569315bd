"""How a run stands that has not ended: its steps, the runs below it, and what waits for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from orchestrator.cli.event_lines import first_line
from orchestrator.cli.questions_view import print_waiting
from orchestrator.cli.statuses import run_status, status_text
from orchestrator.cli.summary import print_children
from orchestrator.cli.tables import steps_table
from orchestrator.domain.event import RUN_PAUSED

if TYPE_CHECKING:
    from orchestrator.client import RunTrace
    from orchestrator.store.questions import Question


def print_standing(console: Console, trace: RunTrace, questions: Sequence[Question], tenant: str | None = None) -> None:
    """Print how a run stands, with the command that answers each of its questions."""
    console.print(steps_table(trace))
    console.print()
    print_children(console, trace)
    if questions:
        print_waiting(console, questions, tenant)
        console.print()
    line = Text.assemble(f"run {trace.run.id} ", status_text(run_status(trace.run)))
    reason = paused_reason(trace)
    console.print(line.append(f": {reason}" if reason else ""), soft_wrap=True)


def paused_reason(trace: RunTrace) -> str:
    """Why a run is paused, empty where it is not."""
    if trace.run.status != "paused":
        return ""
    said = [note.event.data.get("reason", "") for note in trace.notes if note.event.kind == RUN_PAUSED]
    return first_line(said[-1]) if said else ""
