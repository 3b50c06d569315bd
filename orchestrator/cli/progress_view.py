"""A run while it runs: a live table on a terminal, one line an event elsewhere, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli.progress import RunProgress, StepProgress, event_line
from orchestrator.cli.quantities import between, cost_text, duration_text, plural, tokens_text
from orchestrator.cli.statuses import status_text
from orchestrator.domain.event import ATTEMPT_LOG, REMEDY, VERDICT, StoredEvent

_REFRESH = 0.125
_RECENT = 4
_AROUND_TABLE = 9
_MOST_TOLD = ("running", "failed", "cancelled")


class ProgressView(Protocol):
    """Something that shows a run's events as they come."""

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Show every event until the run has finished."""
        ...


class SilentView:
    """Shows nothing: for `--json`."""

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Read the events to their end."""
        async for _ in events:
            pass


class PlainView:
    """One line an event, led by the seconds since the first one."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show(self, events: AsyncIterator[StoredEvent]) -> None:
        """Print every event that is worth a line."""
        first: float | None = None
        async for stored in events:
            first = stored.at if first is None else first
            line = event_line(stored)
            if line is not None:
                elapsed = max(0.0, stored.at - first)
                self._console.print(f"{elapsed:8.2f}s  {line}", markup=False, soft_wrap=True)


class LiveView:
    """A table of the steps that is drawn anew eight times a second and disappears at the end."""

    def __init__(self, console: Console, *, title: str, steps: Sequence[str]) -> None:
        self._console = console
        self._title = title
        self._progress = RunProgress(steps)
        self._recent: deque[str] = deque(maxlen=_RECENT)

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
        """Take one event in; rejections, remedies and logs are also told as lines below the table."""
        self._progress.apply(stored)
        told = stored.event.kind in {REMEDY, ATTEMPT_LOG} or (
            stored.event.kind == VERDICT and not stored.event.data.get("passed")
        )
        line = event_line(stored) if told else None
        if line is not None:
            self._recent.append(line)

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
        shown, rest = choose_steps(list(progress.steps.values()), self._console.height - _AROUND_TABLE)
        for step in shown:
            table.add_row(*_cells(step, now))
        lines: list[RenderableType] = [Text(self._title, style="bold"), table]
        if rest:
            lines.append(Text(rest, style="dim"))
        lines += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in self._recent]
        lines.append(self._total(now))
        return Group(*lines)

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
        status_text(step.status),
        Text(step.worker, style="dim"),
        items,
        attempts if step.attempts else "",
        verdicts,
        cost_text(step.cost) if step.cost is not None else "",
        duration_text(between(step.started_at, step.finished_at or now)) if step.started_at else "",
    ]
