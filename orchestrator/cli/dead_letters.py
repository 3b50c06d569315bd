"""Dead letters on the command line: steps whose tries were used up by what is not their own fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from orchestrator.cli.event_lines import first_line, place
from orchestrator.cli.quantities import NOTHING, between, duration_text, plural, run_argument, short_id, time_text
from orchestrator.cli.statuses import attempt_status, status_text
from orchestrator.cli.tables import plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from orchestrator.client import RunTrace
    from orchestrator.store.attempts import AttemptRow
    from orchestrator.store.steps import StepRow

MOST_ATTEMPTS = 12
"""Attempts of a step that are shown, the last ones."""


def print_dead_letters(console: Console, trace: RunTrace, tenant: str | None = None) -> None:
    """Print each dead letter of a run with its attempts, their processes, and what tries it again."""
    dead = [step for step in trace.steps if step.dead and step.status == "failed"]
    for step in sorted(dead, key=lambda row: row.position):
        failed = _failed_attempts(trace, step)
        where = f" in run {step.reused_from}" if step.reused_from is not None else ""
        text = f"dead letter: step {step.step}: its tries are used up ({plural(len(failed), 'attempt')}{where})"
        console.print(Text(text, style="bold red"), soft_wrap=True)
        if failed:
            console.print(_attempts_table(failed[-MOST_ATTEMPTS:]))
    if dead:
        command = f"orchestrator runs retry {run_argument(trace.run.id, tenant)}"
        console.print(Text(f"once its cause is mended: {command}", style="cyan"), soft_wrap=True)
        console.print()


def _failed_attempts(trace: RunTrace, step: StepRow) -> list[AttemptRow]:
    return [row for row in trace.attempts if row.step == step.step and row.error is not None]


def _attempts_table(attempts: list[AttemptRow]) -> Table:
    table = plain_table(("attempt", "status", "worker", "process", "ended", "error"), ("time",))
    for attempt in attempts:
        table.add_row(
            f"{place(attempt.step, attempt.item)} {attempt.number}" + (f" {attempt.validator}".rstrip()),
            status_text(attempt_status(attempt)),
            Text(attempt.worker, style="dim"),
            NOTHING if attempt.process is None else short_id(attempt.process),
            time_text(attempt.finished_at),
            Text(first_line(attempt.error.message if attempt.error else "", 100), style="dim"),
            duration_text(between(attempt.claimed_at, attempt.finished_at)),
        )
    return table
