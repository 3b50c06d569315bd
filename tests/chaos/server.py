"""A Postgres of the suite's own, with default durability, that can be killed and comes back by crash recovery."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path

import asyncpg

from orchestrator.queue import install
from orchestrator.store import EmbeddedPostgres, migrate
from orchestrator.store.postgres_server import PostgresServer
from tests.benchmarks.system import postmaster

BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY pid
"""
OPEN = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction'
      AND state_change < clock_timestamp() - make_interval(secs => $1)
)
"""
GONE_SECONDS = 20.0
_numbers = count(1)


class Server:
    """The server of one data folder."""

    def __init__(self, data_dir: Path, handle: EmbeddedPostgres) -> None:
        self._data_dir = data_dir
        self._handle = handle

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Server]:
        """Start it, and stop it at the end."""
        handle = EmbeddedPostgres.start(folder / "postgres")
        try:
            yield cls(folder / "postgres", handle)
        finally:
            handle.close()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a new migrated database, dropped at the end."""
        name = f"turn_{next(_numbers)}"
        url = self._handle.url.replace("/postgres?", f"/{name}?", 1)
        await self._administer(f"CREATE DATABASE {name}")
        try:
            await migrate(url, [install])
            yield url
        finally:
            await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def crash(self) -> None:
        """Kill -9 the postmaster, whose backends end with it, and start it again on what is on the disk.

        Also when it is cancelled in between: what comes after needs the server.
        """
        crashing = asyncio.create_task(self._crash())
        try:
            await asyncio.shield(crashing)
        except asyncio.CancelledError:
            await crashing
            raise

    async def _crash(self) -> None:
        pid = postmaster(self._data_dir)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(GONE_SECONDS):
            while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110, ASYNC240 - until init has buried it
                await asyncio.sleep(0.02)
        await asyncio.to_thread(PostgresServer(self._data_dir).ensure_running)

    async def cut(self, url: str, chance: float) -> int:
        """Terminate half of the backends of a database, chosen by `chance`; gives how many."""
        connection = await asyncpg.connect(url)
        try:
            pids = [row["pid"] for row in await connection.fetch(BACKENDS)]
            victims = random.Random(chance).sample(pids, (len(pids) + 1) // 2)
            await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid", victims)
            return len(victims)
        finally:
            await connection.close()

    async def serving(self, url: str) -> set[int]:
        """The process ids that have announced themselves, of which some may be gone."""
        connection = await asyncpg.connect(url)
        try:
            return {row["pid"] for row in await connection.fetch("SELECT pid FROM orchestrator.processes")}
        finally:
            await connection.close()

    async def in_transaction(self, url: str, *, since: float) -> bool:
        """Whether somebody has been silent in an open transaction for so many seconds."""
        connection = await asyncpg.connect(url)
        try:
            return bool(await connection.fetchval(OPEN, since))
        finally:
            await connection.close()

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._handle.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
