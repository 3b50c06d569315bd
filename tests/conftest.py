"""Shared fixtures: one embedded Postgres a session, and for each test a database of its own from a template."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from orchestrator.store import Database, EmbeddedPostgres, migrate

TEMPLATE = "orchestrator_template"
_numbers = count(1)


def pytest_configure() -> None:
    """Let a SIGTERM (of `timeout`, say) end the session as Ctrl-C does: with its fixtures, so with its server."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine from a plain fixture: in a thread, so that pytest's own event loop stays as it is."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def _url_of(server_url: str, name: str) -> str:
    return server_url.replace("/postgres?", f"/{name}?", 1)


async def _administer(server_url: str, *statements: str) -> None:
    connection = await asyncpg.connect(server_url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def fast_folder() -> Path | None:
    """Memory, where there is enough of it: a database is then copied in 12 ms instead of several hundred."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31
    return memory if roomy else None


@pytest.fixture
def server_folder(fast_folder: Path | None) -> Iterator[Path]:
    """For a server of the test's own; outside of pytest's folders, which the server's account may not always enter."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-server-", dir=fast_folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(fast_folder: Path | None) -> Iterator[EmbeddedPostgres]:
    """A server for this session, outside the repository; it may lose its data in a crash."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-tests-", dir=fast_folder))
    server = EmbeddedPostgres.start(folder / "postgres")
    _run(
        lambda: _administer(
            server.url,
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET synchronous_commit = off",
            "ALTER SYSTEM SET full_page_writes = off",
            "SELECT pg_reload_conf()",
        )
    )
    yield server
    server.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a database that is migrated, with the queue's tables, and that nobody is connected to."""
    from orchestrator.queue.installation import install

    _run(lambda: _administer(postgres.url, f"CREATE DATABASE {TEMPLATE}"))
    _run(lambda: migrate(_url_of(postgres.url, TEMPLATE), extra=[install]))
    return TEMPLATE


def _new_database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _run(lambda: _administer(postgres.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
    yield _url_of(postgres.url, name)
    _run(lambda: _administer(postgres.url, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def empty_database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a database of this test's own with nothing in it."""
    yield from _new_database(postgres, "template1")


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The URL of a migrated database of this test's own."""
    yield from _new_database(postgres, template)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a migrated database of this test's own."""
    opened = await Database.connect(database_url, size=8)
    yield opened
    await opened.close()
