"""A small project on disk and its serving processes: started as a person would, ended by their ids."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import asyncpg

from tests.benchmarks import specialists, system

REPOSITORY = Path(__file__).parents[2]
PYPROJECT = '[tool.orchestrator]\nworkers = ["specialists"]\n'
ANNOUNCED = "SELECT id FROM orchestrator.processes WHERE pid = $1"
START_SECONDS = 60.0
STOP_SECONDS = 40.0
_numbers = count(1)


class Served:
    """A serving process.

    Attributes:
        id: of its row in `processes`.
        pid: of the operating system.
    """

    def __init__(self, running: subprocess.Popen[bytes], row: object) -> None:
        self._running = running
        self.pid = running.pid
        self.id = row

    @property
    def cpu_seconds(self) -> float:
        """CPU time so far."""
        return system.cpu_seconds(self.pid)

    @property
    def resident_bytes(self) -> int:
        """Memory now."""
        return system.resident_bytes(self.pid)

    def kill(self) -> None:
        """As `kill -9` does."""
        self._running.kill()
        self._running.wait()


class Project:
    """A project folder with the benchmarks' workers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        (root / "pyproject.toml").write_text(PYPROJECT)
        shutil.copy(Path(str(specialists.__file__)), root / "specialists.py")

    @asynccontextmanager
    async def process(self, url: str, *arguments: str) -> AsyncIterator[Served]:
        """A process `orchestrator …` with default settings, ready to serve; ended with SIGTERM unless it is gone.

        Args:
            url: of a migrated database.
            arguments: `supervisor`, or `worker` and its options.
        """
        async with self.command(url, *arguments) as (running, log):
            yield Served(running, await _announced(url, running, log))

    @asynccontextmanager
    async def command(self, url: str, *arguments: str) -> AsyncIterator[tuple[subprocess.Popen[bytes], Path]]:
        """The same for a command that is in no row of `processes`: the process, and the file with its output."""
        log = self.root / f"{next(_numbers)}-{arguments[0]}.log"
        running = await asyncio.to_thread(self._start, url, arguments, log)
        try:
            yield running, log
        finally:
            await asyncio.to_thread(_end, running)

    def _start(self, url: str, arguments: tuple[str, ...], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *arguments],
                cwd=self.root,
                env=_environment(url),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )


async def until(holds: Callable[[], Awaitable[bool]], *, look: float, patience: float) -> None:
    """Wait for something in other processes.

    Args:
        holds: asks for it.
        look: seconds between two times.
        patience: seconds to wait at the most.

    Raises:
        TimeoutError: it took longer.
    """
    async with asyncio.timeout(patience):
        while not await holds():  # noqa: ASYNC110 - rows that other processes write
            await asyncio.sleep(look)


def _environment(url: str) -> dict[str, str]:
    """Ours, without the keys of any model, and with this repository before one that may be installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "ORCHESTRATOR"))}
    return kept | {"ORCHESTRATOR_DATABASE_URL": url, "PYTHONPATH": str(REPOSITORY)}


async def _announced(url: str, running: subprocess.Popen[bytes], log: Path) -> object:
    """Wait for the process's row; the row's id."""
    connection = await asyncpg.connect(url)
    try:

        async def announced() -> bool:
            if running.poll() is not None:
                said = await asyncio.to_thread(log.read_text)
                raise RuntimeError(f"the process ended with {running.returncode}:\n{said}")
            return await connection.fetchval(ANNOUNCED, running.pid) is not None

        await until(announced, look=0.05, patience=START_SECONDS)
        return await connection.fetchval(ANNOUNCED, running.pid)
    finally:
        await connection.close()


def _end(running: subprocess.Popen[bytes]) -> None:
    if running.poll() is None:
        running.send_signal(signal.SIGTERM)
    try:
        running.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
