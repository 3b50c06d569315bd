"""A process that is kept up: started again, ever more slowly, when it ends unasked; stopped when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence

from orchestrator.domain.policy import Backoff
from orchestrator.placement.process_log import ProcessLog

BACKOFF = Backoff(initial=0.5, factor=2.0, max=30.0, jitter=False)
STEADY = 20.0
"""Seconds after which a process that ends counts as one that had worked, so that it is started again without delay."""

LOOP = 3
"""Quick ends in a row that are called a crash loop."""


class KeptProcess:
    """One place for a process, and the process that fills it now. Made inside a running event loop, which starts it.

    Args:
        name: for people, and of its log.
        command: program and arguments.
        log: gets its output.
        lifeline: handed over under the same number.
        tell: called with one line when it ended unasked.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: ProcessLog, lifeline: int, tell: Callable[[str], None]
    ) -> None:
        self.name = name
        self.log = log
        self.failures = 0
        self._command = command
        self._lifeline = lifeline
        self._tell = tell
        self._running: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {name}")

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, None before it is started and between two."""
        return None if self._running is None else self._running.pid

    def stop(self) -> None:
        """Ask it to end, with SIGTERM; asking again does not let it finish what it holds."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    async def ended(self, patience: float) -> None:
        """Wait until it has ended, after `patience` seconds with SIGKILL. It has to have been told to stop."""
        done, _ = await asyncio.wait({self._keeping}, timeout=patience)
        if not done:
            self._tell(f"{self.name} did not stop within {patience:g} s and is killed")
            self._signal(signal.SIGKILL)
            await asyncio.wait({self._keeping})

    def _signal(self, number: signal.Signals) -> None:
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                self._running.send_signal(number)

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                how = _ending(await self._run())
            except OSError as error:  # too many processes, no memory, no disk
                how = f"could not be started: {error},"
            if self._stopping.is_set():
                return
            lived = time.monotonic() - begun
            self.failures = 1 if lived > STEADY else self.failures + 1
            pause = BACKOFF.delay(self.failures, self.name)
            self._tell(self._epitaph(how, lived, pause))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run(self) -> int:
        """Start it and wait for its end; gives its exit code."""
        with self.log.open() as output:
            # A session of its own: Ctrl-C in the terminal is for whoever started it, who stops it in order.
            self._running = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._lifeline,),
                start_new_session=True,
            )
        if self._stopping.is_set():  # while it was being started
            self._signal(signal.SIGTERM)
        try:
            return await self._running.wait()
        finally:
            self._running = None

    def _epitaph(self, how: str, lived: float, pause: float) -> str:
        loop = f", {self.failures} times in a row: it does not come up" if self.failures >= LOOP else ""
        said = self.log.last_line()
        return (
            f"{self.name} {how} after {lived:.1f} s{loop}; next try in {pause:g} s"
            + (f"; it said: {said[:300]}" if said else "")
            + f" ({self.log.file})"
        )


def _ending(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
