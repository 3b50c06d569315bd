"""What runs on a node: an actor that keeps one ordinary `orchestrator worker` process up."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import ProjectError
from orchestrator.placement.kept_process import KeptProcess
from orchestrator.placement.lifeline import Lifeline
from orchestrator.placement.process_log import ProcessLog
from orchestrator.store.pools import Member

LOOK = 0.5
"""Seconds between two looks at the process."""

PATIENCE = 10.0
"""Seconds after which a question for news is answered though there are none."""

MOST_LINES = 5
"""Error lines of the process that are passed on at one look; its log has all."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an actor is to start.

    Attributes:
        name: of the process, for people and of its log.
        pool: it serves.
        concurrency: attempts at once.
        project: the folder on the node; None for the one that was shipped, which is the actor's working directory.
        environ: set for the process, over the environment of the node.
        patience: seconds that it may take to stop.
        options: shared options of the command line, as `--log-level debug`.
    """

    name: str
    pool: str
    concurrency: int
    project: str | None
    environ: Mapping[str, str] = field(repr=False)
    patience: float
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class News:
    """How an actor's process stands.

    Attributes:
        member: the process; None between two.
        told: what people should see, since the last news.
        ended: it was told to stop and has.
    """

    member: Member | None
    told: tuple[str, ...] = ()
    ended: bool = False


class WorkerActor:
    """Made by Ray in a process of its own; the methods run in its event loop. It ends with its worker process.

    Should the actor be killed, the worker process hears of it by its lifeline and stops as SIGTERM does.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lifeline = Lifeline()
        self._told: list[str] = []
        self._ending: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"orchestrator:{self._name}"

    async def start(self, order: Order) -> str:
        """Start the process; gives the node's host name. Called once, when Ray has found a place.

        Raises:
            ProjectError: the project is not on the node.
        """
        host, folder = socket.gethostname(), Path(order.project or Path.cwd())
        if not (folder / "pyproject.toml").is_file():
            raise ProjectError(
                f"there is no project at {folder} on the node {host}",
                remedy="have it there, at the same path as here, or let it be sent with --ship",
            )
        os.environ.update(order.environ)
        self._patience = order.patience
        command = (sys.executable, "-m", "orchestrator", "--project", str(folder), *order.options, "worker")
        details = ("--pool", order.pool, "--concurrency", str(order.concurrency), "--lifeline", str(self._lifeline.fd))
        file = f"{order.name}@{host}".replace(os.sep, "_")
        log = ProcessLog(folder / ".orchestrator/logs" / f"{file}.log")
        self._kept = KeptProcess(
            order.name, (*command, *details), log=log, lifeline=self._lifeline.fd, tell=self._told.append
        )
        return host

    async def news(self, known: Member | None) -> News:
        """Wait until there is something that the asker does not know.

        Args:
            known: the process that the last news named.
        """
        for _ in range(int(PATIENCE / LOOK)):
            self._read_log()
            if self._ended or self._told or self._member != known:
                break
            await asyncio.sleep(LOOK)
        told, self._told[:] = tuple(self._told), ()
        return News(self._member, told, self._ended)

    async def stop(self) -> None:
        """Let the process finish what it holds or hand it back; asking again does not let it finish."""
        self._kept.stop()
        if self._ending is None:
            self._ending = asyncio.create_task(self._kept.ended(self._patience), name="end the worker")

    @property
    def _ended(self) -> bool:
        return self._ending is not None and self._ending.done()

    @property
    def _member(self) -> Member | None:
        return None if self._kept.pid is None else (socket.gethostname(), self._kept.pid)

    def _read_log(self) -> None:
        lines = self._kept.log.errors()
        self._told += [f"{self._name} | {line}" for line in lines[:MOST_LINES]]
        if len(lines) > MOST_LINES:
            self._told.append(f"{self._name} | … and {len(lines) - MOST_LINES} more lines ({self._kept.log.file})")
