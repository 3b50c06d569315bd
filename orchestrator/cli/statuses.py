"""The sign and colour of every status, the same in the live view, the tables and the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from orchestrator.domain.worker import HUMAN_WORKER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.store.attempts import AttemptRow
    from orchestrator.store.runs import RunRow

ASKING = "asking"
"""The word for a step or an attempt that waits for a person; a step that is `waiting` waits for other steps."""

SIGNS: dict[str, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "queued": ("·", "dim"),
    "running": ("●", "cyan"),
    "asking": ("?", "bold magenta"),
    "paused": ("=", "bold magenta"),
    "parked": ("·", "magenta"),
    "cancelling": ("●", "yellow"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "lost": ("✗", "red"),
    "timed_out": ("✗", "red"),
    "skipped": ("○", "dim"),
    "cancelled": ("○", "yellow"),
    "superseded": ("○", "dim"),
}


def status_text(status: str) -> Text:
    """A status with its sign, coloured."""
    sign, style = SIGNS.get(status, ("?", ""))
    return Text(f"{sign} {status.replace('_', ' ')}", style=style)


def run_status(run: RunRow) -> str:
    """How a run stands, in a word: a running one that only waits, and is in no process, is parked."""
    return "parked" if run.parked and run.status == "running" else run.status


def attempt_status(attempt: AttemptRow) -> str:
    """How an attempt stands, in a word: one that waits is asking a person, or its run is running."""
    if attempt.superseded:
        return "superseded"
    if attempt.status != "waiting":
        return attempt.status
    return ASKING if attempt.worker == HUMAN_WORKER else "running"


def step_status(status: str, attempts: Iterable[AttemptRow]) -> str:
    """How a step stands, in a word: a running one of which nothing runs but questions is asking."""
    if status != "running":
        return status
    open_ones = {attempt_status(attempt) for attempt in attempts if attempt.finished_at is None}
    return ASKING if open_ones == {ASKING} else status
