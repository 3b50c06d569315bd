"""A run while it runs: a live table on a terminal, one line an event elsewhere, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.event_lines import event_line
from orchestrator.cli.progress import RunProgress, StepProgress
from orchestrator.cli.quantities import between, cost_text, duration_text, plural, tokens_text
from orchestrator.cli.questions_view import waiting_line
from orchestrator.cli.statuses import status_text
from orchestrator.domain import event as kinds
from orchestrator.domain.event import StoredEvent

if TYPE_CHECKING:
    from orchestrator.store.questions import Question

_REFRESH = 0.125
_RECENT = 4
_AROUND_TABLE = 9
_MOST_ASKED = 5
_MOST_TOLD = ("running", "failed", "cancelled")
_TOLD = frozenset(
    {
        kinds.REMEDY,
        kinds.ATTEMPT_LOG,
        kinds.ATTEMPT_TOOL,
        kinds.RUN_PAUSED,
        kinds.RUN_RESUMED,
        kinds.RUN_CHILD_STARTED,
        kinds.HUMAN_ANSWERED,
        kinds.HUMAN_EXPIRED,
    }
)


class ProgressView(Protocol):
    """Something that shows a run's events as they come."""

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Show every event until the run has finished."""
        ...

    def waiting(self, questions: Sequence[Question]) -> None:
        """Show what waits for people at present, in the run and in those below it; called whenever that changes."""
        ...


class SilentView:
    """Shows nothing: for `--json`."""

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Read the events to their end."""
        async for _ in events:
            pass

    def waiting(self, questions: Sequence[Question]) -> None:
        """Say nothing."""


class PlainView:
    """One line an event, led by the seconds since the first one.

    Args:
        console: where they are printed.
        tenant: as the person gave it, None where they did not.
    """

    def __init__(self, console: Console, tenant: str | None = None) -> None:
        self._console = console
        self._tenant = tenant
        self._first: float | None = None
        self._told: set[tuple[object, ...]] = set()

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Print every event that is worth a line."""
        async for stored in events:
            self._first = stored.at if self._first is None else self._first
            line = event_line(stored)
            # What models say comes several times a second: for programs, not for a log.
            if line is not None and stored.event.kind != kinds.ATTEMPT_TEXT:
                self._print(stored.at, line)

    def waiting(self, questions: Sequence[Question]) -> None:
        """Print the questions that were not there before, each with the command that answers it."""
        for question in questions:
            if (identity := (question.run_id, question.attempt_id, question.asked_at)) not in self._told:
                self._told.add(identity)
                self._print(question.asked_at, waiting_line(question, self._tenant))

    def _print(self, at: float, line: str) -> None:
        elapsed = max(0.0, at - (at if self._first is None else self._first))
        self._console.print(f"{elapsed:8.2f}s  {line}", markup=False, soft_wrap=True)


class LiveView:
    """A table of the steps that is drawn anew eight times a second and disappears at the end.

    Args:
        console: the terminal.
        title: above the table.
        steps: in the order of the file.
        tenant: as the person gave it, None where they did not.
    """

    def __init__(self, console: Console, *, title: str, steps: Sequence[str], tenant: str | None = None) -> None:
        self._console = console
        self._title = title
        self._progress = RunProgress(steps)
        self._recent: deque[str] = deque(maxlen=_RECENT)
        self._tenant = tenant
        self._waiting: Sequence[Question] = ()

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Fold the events in as they come, and draw."""
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            drawing = asyncio.create_task(self._draw(live), name="draw progress")
            try:
                async for stored in events:
                    self.fold(stored)
            finally:
                drawing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await drawing

    def fold(self, stored: StoredEvent) -> None:
        """Take one event in; rejections, remedies, logs and the like are also told as lines below the table."""
        self._progress.apply(stored)
        rejected = stored.event.kind == kinds.VERDICT and not stored.event.data.get("passed")
        told = rejected or stored.event.kind in _TOLD
        line = event_line(stored) if told else None
        if line is not None:
            self._recent.append(line)

    def waiting(self, questions: Sequence[Question]) -> None:
        """Take what waits for people at present; it stands below the table."""
        self._waiting = questions

    async def _draw(self, live: Live) -> None:
        while True:
            live.update(self.render(time.time()), refresh=True)
            await asyncio.sleep(_REFRESH)

    def render(self, now: float) -> RenderableType:
        """The whole picture at the time `now` (Unix seconds)."""
        progress = self._progress
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("step", "status", "worker"):
            table.add_column(column, no_wrap=True, overflow="ellipsis")
        for column in ("items", "attempts", "verdicts", "cost", "time"):
            table.add_column(column, no_wrap=True, justify="right")
        asked = self._asked()
        room = self._console.height - _AROUND_TABLE - len(asked)
        shown, rest = choose_steps(list(progress.steps.values()), room)
        for step in shown:
            table.add_row(*_cells(step, now))
        lines: list[RenderableType] = [Text(self._title, style="bold"), table]
        if rest:
            lines.append(Text(rest, style="dim"))
        lines += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._recent]
        lines += [Text(line, style="bold magenta") for line in asked]
        lines.append(self._total(now))
        return Group(*lines)

    def _asked(self) -> list[str]:
        lines = [waiting_line(question, self._tenant) for question in self._waiting[:_MOST_ASKED]]
        more = len(self._waiting) - len(lines)
        return [*lines, f"… and {more} more: orchestrator runs answer"] if more else lines

    def _total(self, now: float) -> Text:
        progress = self._progress
        elapsed = between(progress.started_at, progress.finished_at or now)
        parts = [
            progress.status,
            duration_text(elapsed),
            plural(progress.attempts, "attempt"),
        ]
        if any(progress.tokens):
            parts.append(f"{tokens_text(*progress.tokens)} tokens")
        if progress.cost is not None:
            parts.append(cost_text(progress.cost))
        return Text(" · ".join(parts), style="cyan")


def choose_steps(steps: list[StepProgress], room: int) -> tuple[list[StepProgress], str]:
    """The steps that fit on the screen, in their order, the running and failed first; and a line about the rest."""
    room = max(room, 3)
    if len(steps) <= room:
        return steps, ""
    by_interest = sorted(range(len(steps)), key=lambda index: steps[index].status not in _MOST_TOLD)
    chosen = set(by_interest[:room])
    left = [step.status for index, step in enumerate(steps) if index not in chosen]
    counts = [f"{left.count(status)} {status}" for status in dict.fromkeys(left)]
    return [steps[index] for index in sorted(chosen)], f"… and {', '.join(counts)}"


def _cells(step: StepProgress, now: float) -> list[RenderableType]:
    verdicts = Text("")
    if step.passed:
        verdicts.append(f"✓{step.passed}", style="green")
    if step.rejected:
        verdicts.append(f" ✗{step.rejected}" if step.passed else f"✗{step.rejected}", style="red")
    items = "" if step.total is None else f"{step.done}/{step.total}"
    attempts = f"{step.attempts}" + (f" ({step.running} now)" if step.running else "")
    return [
        step.step,
        status_text(step.shown_status),
        Text(step.worker, style="dim"),
        items,
        attempts if step.attempts else "",
        verdicts,
        cost_text(step.cost) if step.cost is not None else "",
        duration_text(between(step.started_at, step.finished_at or now)) if step.started_at else "",
    ]
