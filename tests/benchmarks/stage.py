"""Where the benchmarks play: one embedded Postgres with default durability, and a database of its own for each turn."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg

from orchestrator import Orchestrator
from orchestrator.queue import install
from orchestrator.settings import DatabaseSettings, Settings, WorkerSettings
from orchestrator.store import EmbeddedPostgres, migrate
from tests.benchmarks import specialists, system
from tests.benchmarks.processes import Project

CONCURRENCY = 64
"""Attempts at once in a worker process, where no default is promised: the peers have no limit."""

_numbers = count(1)


@dataclass(frozen=True)
class Stage:
    """What a benchmark is given.

    Attributes:
        server: for all, ours and the peers'.
        project: starts our processes.
        data_dir: of the server.
        quick: small sizes, to see that it works; the figures mean nothing.
    """

    server: EmbeddedPostgres
    project: Project
    data_dir: Path
    quick: bool

    @classmethod
    @contextmanager
    def opened(cls, *, quick: bool) -> Iterator[Stage]:
        """Make it, and take it away again."""
        folder = Path(tempfile.mkdtemp(prefix="orchestrator-bench-"))
        data_dir = folder / "postgres"
        try:
            server = EmbeddedPostgres.start(data_dir)
            try:
                yield cls(server, Project(folder / "project"), data_dir, quick)
            finally:
                server.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def postmaster(self) -> int:
        """The server's process id."""
        return system.postmaster(self.data_dir)

    @asynccontextmanager
    async def database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """The URL of a new database, dropped at the end.

        Args:
            migrated: with our schema, else empty for a peer.
        """
        name = f"turn_{next(_numbers)}"
        url = self.server.url.replace("/postgres?", f"/{name}?", 1)
        await self._administer(f"CREATE DATABASE {name}")
        try:
            if migrated:
                await migrate(url, [install])
            yield url
        finally:
            await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[Orchestrator]:
        """Supervisor, worker and client in this process, on a new database."""
        async with self.database() as url:
            settings = Settings(
                root=self.project.root,
                database=DatabaseSettings(url=url),
                worker=WorkerSettings(concurrency=CONCURRENCY),
            )
            async with Orchestrator.open(self.project.root, settings=settings, workers=specialists.ALL) as app:
                yield app

    @asynccontextmanager
    async def apart(self) -> AsyncIterator[Orchestrator]:
        """A supervisor process and a worker process on a new database; the client is in this process."""
        worker = ("worker", "--pool", "benchmark", "--concurrency", str(CONCURRENCY))
        async with (
            self.database() as url,
            self.project.process(url, "supervisor"),
            self.project.process(url, *worker),
            Orchestrator.connect(database=url) as client,
        ):
            yield client
