"""The pools while `orchestrator up` runs: a live table on a terminal, one line a change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from orchestrator.cli.consoles import stderr_console
from orchestrator.cli.quantities import NOTHING, duration_text

if TYPE_CHECKING:
    from orchestrator.domain.scaling import ScalingPolicy
    from orchestrator.placement import PoolState


class PoolsView(Protocol):
    """Something that shows how pools stand, and lines about what happened."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, states: Sequence[PoolState], started: Mapping[str, int]) -> None:
        """Show the pools after a look; `started` processes of each run, of which some may not be up yet."""
        ...

    def tell(self, line: str) -> None:
        """Show one line for good."""
        ...


def pools_view(policies: Mapping[str, ScalingPolicy], title: str) -> PoolsView:
    """The view for the present stderr."""
    console = stderr_console()
    return LiveView(console, policies, title) if console.is_terminal else PlainView(console, title)


class PlainView:
    """One line when a pool grows or shrinks, led by the seconds since the beginning."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._begun = time.monotonic()
        self._wanted: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.tell(self._title)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, states: Sequence[PoolState], started: Mapping[str, int]) -> None:
        """Print the pools whose wanted number of processes has changed."""
        for state in states:
            before, self._wanted[state.pool] = self._wanted.get(state.pool, 0), state.wanted
            if state.wanted != before:
                load = state.load
                why = f"queued {load.queued}, oldest {duration_text(load.wait)}, running {load.running}"
                self.tell(f"{state.pool}: {before} → {state.wanted} processes ({why})")

    def tell(self, line: str) -> None:
        """Print one line."""
        elapsed = time.monotonic() - self._begun
        self._console.print(f"{elapsed:8.1f}s  {line}", markup=False, soft_wrap=True)


class LiveView:
    """A table of the pools that is drawn anew at every look, below the lines that were told."""

    def __init__(self, console: Console, policies: Mapping[str, ScalingPolicy], title: str) -> None:
        self._console = console
        self._policies = policies
        self._title = title
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._console.print(self._title, markup=False, soft_wrap=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, states: Sequence[PoolState], started: Mapping[str, int]) -> None:
        """Draw the table."""
        self._live.update(pools_table(states, started, self._policies), refresh=True)

    def tell(self, line: str) -> None:
        """Print one line above the table."""
        self._console.print(line, markup=False, soft_wrap=True)


def pools_table(
    states: Sequence[PoolState], started: Mapping[str, int], policies: Mapping[str, ScalingPolicy]
) -> Table:
    """The pools with their processes, what they hold and what waits."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("pool", "processes", "of", "running", "slots", "queued", "oldest waits"):
        table.add_column(name, justify="left" if name == "pool" else "right")
    for state in states:
        load, policy = state.load, policies[state.pool]
        here = started[state.pool]
        up = str(load.serving) if load.serving == state.wanted == here else f"{load.serving} → {state.wanted}"
        cells = (
            up,
            f"{policy.min} to {policy.max}",
            str(load.running),
            str(load.serving * policy.slots),
            f"{load.queued:,}",
            duration_text(load.wait) if load.queued else NOTHING,
        )
        table.add_row(state.pool, *cells, style="" if here or load.queued else "dim")
    return table
