"""`LocalPlacement`: the processes of this machine, each an `orchestrator` command of its own."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from types import TracebackType
from typing import Self

from orchestrator.errors import Conflict
from orchestrator.placement.kept_process import KeptProcess
from orchestrator.placement.lifeline import Lifeline
from orchestrator.placement.process_log import ProcessLog
from orchestrator.settings import Settings
from orchestrator.store.pools import Member

LOOK_AT_LOGS = 1.0
"""Seconds between two looks."""

MOST_LINES = 5
"""Error lines of one process that are told at one look; its log has all."""


class LocalPlacement:
    """Starts and stops processes while it is entered; when it is left, or killed, none of them stays.

    Args:
        settings: of the project that they work for. `.orchestrator/` gets their logs, and a lock: one placement a
            project on a machine.
        pools: those that may be resized.
        patience: seconds that a process may take to stop before it is killed.
        tell: called with one line when something is worth a person's attention.
        options: shared options of the command line, as `--log-level debug`.

    Raises:
        Conflict: when it is entered while another one keeps processes of the project.
    """

    def __init__(
        self,
        settings: Settings,
        pools: Iterable[str],
        *,
        patience: float,
        tell: Callable[[str], None],
        options: Sequence[str] = (),
    ) -> None:
        self._base = (sys.executable, "-m", "orchestrator", "--project", str(settings.root.resolve()), *options)
        self._state_dir = settings.state_dir
        self._concurrency = {pool: settings.concurrency(pool) for pool in pools}
        self._patience = patience
        self._tell = tell
        self._host = socket.gethostname()
        self._pools: dict[str, list[KeptProcess]] = {pool: [] for pool in self._concurrency}
        self._others: list[KeptProcess] = []
        self._ending: dict[asyncio.Task[None], KeptProcess] = {}

    async def __aenter__(self) -> Self:
        self._state_dir.mkdir(parents=True, exist_ok=True)
        self._lock = (self._state_dir / "up.lock").open("ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise Conflict(
                f"another `orchestrator up` keeps the processes of {self._state_dir.parent} on this machine",
                remedy="stop that one first, or raise `scaling` in the config and start it again",
            ) from None
        self._lifeline = Lifeline()
        self._watching = asyncio.create_task(self._watch(), name="watch the logs")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
            while self._ending:
                await asyncio.wait(set(self._ending))
        finally:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._lifeline.close()
            self._lock.close()

    def keep(self, name: str, *arguments: str) -> None:
        """Keep one process of another kind, e.g. `keep("supervisor", "supervisor")`."""
        self._others.append(self._start(name, arguments))

    def members(self, pool: str) -> list[Member]:
        """The pool's processes that run now, without those that were told to stop."""
        return [(self._host, kept.pid) for kept in self._pools[pool] if kept.pid is not None]

    def resize(self, pool: str, wanted: int, engaged: Collection[Member] = ()) -> None:
        """Start or stop processes of a pool until so many are there; the youngest go first, the engaged stay."""
        kept = self._pools[pool]
        while len(kept) < wanted:
            options = ("--pool", pool, "--concurrency", str(self._concurrency[pool]))
            kept.append(self._start(self._free_name(pool), ("worker", *options)))
        free = [each for each in kept if each.pid is None or (self._host, each.pid) not in engaged]
        while len(kept) > wanted and free:
            leaving = free.pop()
            kept.remove(leaving)
            self._end(leaving)

    async def _watch(self) -> None:
        """Tell what the processes' logs say of errors, and keep the logs bounded; whatever the database does."""
        while True:
            await asyncio.sleep(LOOK_AT_LOGS)
            for kept in self._all():
                try:
                    self._tell_errors(kept, kept.log.errors())
                except OSError as error:
                    self._tell(f"the log of {kept.name} cannot be looked at: {error}")

    def _tell_errors(self, kept: KeptProcess, lines: Sequence[str]) -> None:
        for line in lines[:MOST_LINES]:
            self._tell(f"{kept.name} | {line}")
        if len(lines) > MOST_LINES:
            self._tell(f"{kept.name} | … and {len(lines) - MOST_LINES} more lines ({kept.log.file})")

    def stop(self) -> None:
        """Stop all; called again, they do not finish what they hold."""
        for kept in self._ending.values():
            kept.stop()
        for kept in self._all():
            if kept not in self._ending.values():
                self._end(kept)
        self._others.clear()
        for pool in self._pools.values():
            pool.clear()

    def _start(self, name: str, arguments: Sequence[str]) -> KeptProcess:
        lifeline = ("--lifeline", str(self._lifeline.fd))
        log = ProcessLog(self._state_dir / "logs" / f"{name.replace(os.sep, '_')}.log")
        command = (*self._base, *arguments, *lifeline)
        return KeptProcess(name, command, log=log, lifeline=self._lifeline.fd, tell=self._tell)

    def _end(self, kept: KeptProcess) -> None:
        kept.stop()
        ending = asyncio.create_task(kept.ended(self._patience))
        self._ending[ending] = kept
        ending.add_done_callback(self._ending.pop)

    def _free_name(self, pool: str) -> str:
        taken = {kept.name for kept in self._all()}
        return next(name for number in count(1) if (name := f"{pool}-{number}") not in taken)

    def _all(self) -> list[KeptProcess]:
        return [*self._others, *(kept for pool in self._pools.values() for kept in pool), *self._ending.values()]
