"""A Postgres server for tests, a database of its own for each test, and an app on it."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from orchestrator.app import Orchestrator
from orchestrator.project import find_project, load_settings
from orchestrator.queue import install
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.store import EmbeddedPostgres, migrate
from orchestrator.testing.scripted_model import ScriptedModel

TEMPLATE = "orchestrator_template"
ROOMY = 2 * 2**30
"""Bytes that must be free in memory before the server's files are put there."""

_UNSAFE = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")
_numbers = itertools.count(1)


class ThrowawayServer:
    """A server that may lose its data in a crash, and is quick for that. Make it with `throwaway_server()`.

    Attributes:
        url: of its database `postgres`.
        data_dir: where its files lie.
    """

    def __init__(self, url: str, data_dir: Path) -> None:
        self.url = url
        self.data_dir = data_dir

    def url_of(self, database: str) -> str:
        """The URL of one of its databases."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a new, migrated database, which is dropped at the end."""
        name = await self.create()
        try:
            yield self.url_of(name)
        finally:
            await self.drop(name)

    async def create(self, template: str = TEMPLATE) -> str:
        """Make a database, migrated unless another template is named; its name."""
        name = f"test_{next(_numbers)}"
        await self.administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    async def drop(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        await self.administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def administer(self, *statements: str) -> None:
        """Run statements that belong to no database."""
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def prepare(self) -> None:
        """Make the template, and let the server forget about the disk."""
        await self.administer(*(f"ALTER SYSTEM SET {each}" for each in _UNSAFE), "SELECT pg_reload_conf()")
        await self.administer(f"CREATE DATABASE {TEMPLATE}")
        await migrate(self.url_of(TEMPLATE), [install])


@contextmanager
def throwaway_server() -> Iterator[ThrowawayServer]:
    """An embedded server in a folder of its own, in memory where there is room; both are gone at the end.

    Raises:
        ServiceError: the extra `local` is not installed.
    """
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-tests-", dir=in_memory()))
    try:
        server = EmbeddedPostgres.start(folder / "postgres")
        try:
            throwaway = ThrowawayServer(server.url, folder / "postgres")
            with ThreadPoolExecutor(1) as thread:  # the caller may have an event loop, or want none
                thread.submit(lambda: asyncio.run(throwaway.prepare())).result()
            yield throwaway
        finally:
            server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def app(
    workers: Sequence[object] = (),
    *,
    project: Path | str | None = None,
    model: ScriptedModel | None = None,
    environ: Mapping[str, str] | None = None,
    server: ThrowawayServer | None = None,
) -> AsyncIterator[Orchestrator]:
    """A whole orchestrator in this process (supervisor, workers, client) on a database that is thrown away.

    Args:
        workers: declared workers and validators, besides those of the project.
        project: a folder of the project whose workers, graphs and settings it has; None for an empty one.
        model: answers for the tiers with `provider: auto`, which all are that say nothing else.
        environ: instead of the process's environment: secrets, and `ORCHESTRATOR_…` settings.
        server: where the database is made, so that many tests share one; None starts one for this block, which takes a
            second.

    Raises:
        ProjectError: the project cannot be read.
        ServiceError: there is no server, and the extra `local` is not installed.
    """
    if server is None:
        started = throwaway_server()
        shared = await asyncio.to_thread(started.__enter__)
        try:
            async with app(workers, project=project, model=model, environ=environ, server=shared) as opened:
                yield opened
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)
        return
    told = {**(os.environ if environ is None else environ), **(model.environ if model is not None else {})}
    with tempfile.TemporaryDirectory(prefix="orchestrator-app-") as empty:
        async with server.database() as url:
            settings = _settings(Path(project or empty), told, url)
            async with Orchestrator.open(settings.root, workers=workers, settings=settings, environ=told) as opened:
                yield opened


def _settings(project: Path, environ: Mapping[str, str], url: str) -> Settings:
    settings = load_settings(find_project(project), environ)
    return settings.model_copy(update={"database": DatabaseSettings(url=url, pool_size=settings.database.pool_size)})


def in_memory() -> Path | None:
    """A folder in memory, if there is room: a database is copied there in 12 ms instead of several hundred."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOMY
    return memory if roomy else None
