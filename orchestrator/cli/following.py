"""To follow a run to its end: show its events, and turn Ctrl-C into a cancel that is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from orchestrator.cli.interrupts import Interrupts, on_signals
from orchestrator.cli.progress_view import ProgressView
from orchestrator.cli.quantities import run_argument
from orchestrator.errors import Conflict

if TYPE_CHECKING:
    from orchestrator.client import RunHandle, RunResult
    from orchestrator.store.questions import Question

_LAST_EVENTS = 2.0
LOOK = 1.0
"""Seconds between two looks at what waits for people."""


@dataclass(frozen=True)
class Followed:
    """How it ended: the result, or None when the person left before; and whether they interrupted it."""

    result: RunResult | None
    interrupted: bool


class Follower:
    """Follows one run.

    Args:
        handle: the run.
        view: shows its events.
        console: where the messages about Ctrl-C go.
        tenant: as the person gave it, None where they did not.
    """

    def __init__(self, handle: RunHandle, view: ProgressView, console: Console, tenant: str | None = None) -> None:
        self._handle = handle
        self._view = view
        self._console = console
        self._tenant = tenant
        self._cancelling: asyncio.Task[None] | None = None
        self._left = asyncio.Event()

    async def follow(self) -> Followed:
        """Wait for the end of the run.

        Ctrl-C cancels the run and goes on waiting until that is confirmed; a second one leaves at once.
        """
        interrupts = Interrupts(self._cancel, self._leave)
        with on_signals(interrupts, signal.SIGINT, signal.SIGTERM):
            result = await self._wait()
        return Followed(result, interrupts.count > 0)

    async def _wait(self) -> RunResult | None:
        showing = asyncio.create_task(self._view.show(self._handle.events()), name="show events")
        asking = asyncio.create_task(self._watch_questions(), name="watch for questions")
        ending = asyncio.create_task(self._handle.result(), name="wait for the run")
        leaving = asyncio.create_task(self._left.wait(), name="wait for Ctrl-C")
        try:
            waiting = {showing, asking, ending, leaving}
            while not ending.done() and not leaving.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done & {showing, asking}:
                    task.result()
            if not ending.done():
                return None
            await asyncio.wait({showing}, timeout=_LAST_EVENTS)
            return ending.result()
        finally:
            await _end(showing, asking, ending, leaving, *([self._cancelling] if self._cancelling else []))

    async def _watch_questions(self) -> None:
        shown: list[Question] = []
        while True:
            asked = await self._handle.questions()
            if asked != shown:
                shown = asked
                self._view.waiting(asked)
            await asyncio.sleep(LOOK)

    def _cancel(self) -> None:
        self._say("cancelling the run; waiting until nothing of it runs any more (Ctrl-C again leaves at once)")
        self._cancelling = asyncio.create_task(self._request_cancel(), name="cancel the run")

    async def _request_cancel(self) -> None:
        with contextlib.suppress(Conflict):
            await self._handle.cancel()

    def _leave(self) -> None:
        named = run_argument(self._handle.id, self._tenant)
        self._say(f"leaving; `orchestrator runs show {named}` tells how the run ends")
        self._left.set()

    def _say(self, message: str) -> None:
        self._console.print(Text(message, style="yellow"), soft_wrap=True)


async def _end(*tasks: asyncio.Task[object] | asyncio.Task[None]) -> None:
    """Cancel what still runs and wait for it, so that nothing is left behind when the loop closes."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
