"""Shared fixtures: one embedded Postgres a session, and for each test a database of its own from a template."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator.store import Database
from orchestrator.testing import ThrowawayServer, throwaway_server
from orchestrator.testing.throwaway import TEMPLATE, in_memory


def pytest_configure() -> None:
    """Let a SIGTERM (of `timeout`, say) end the session as Ctrl-C does: with its fixtures, so with its server."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine from a plain fixture: in a thread, so that pytest's own event loop stays as it is."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


@pytest.fixture(autouse=True)
def fresh_consoles() -> None:
    """A process has one console for each stream; a test that sets `COLUMNS` must not get that of the test before it."""
    if (consoles := sys.modules.get("orchestrator.cli.consoles")) is not None:
        consoles.stdout_console.cache_clear()
        consoles.stderr_console.cache_clear()


@pytest.fixture(scope="session")
def fast_folder() -> Path | None:
    """Memory, where there is enough of it: a database is then copied in 12 ms instead of several hundred."""
    return in_memory()


@pytest.fixture
def server_folder(fast_folder: Path | None) -> Iterator[Path]:
    """For a server of the test's own; outside of pytest's folders, which the server's account may not always enter."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-server-", dir=fast_folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[ThrowawayServer]:
    """A server for this session, outside the repository; it may lose its data in a crash."""
    with throwaway_server() as server:
        yield server


def _new_database(postgres: ThrowawayServer, template: str) -> Iterator[str]:
    name = _run(lambda: postgres.create(template))
    yield postgres.url_of(name)
    _run(lambda: postgres.drop(name))


@pytest.fixture
def empty_database_url(postgres: ThrowawayServer) -> Iterator[str]:
    """The URL of a database of this test's own with nothing in it."""
    yield from _new_database(postgres, "template1")


@pytest.fixture
def database_url(postgres: ThrowawayServer) -> Iterator[str]:
    """The URL of a migrated database of this test's own."""
    yield from _new_database(postgres, TEMPLATE)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a migrated database of this test's own."""
    opened = await Database.connect(database_url, size=8)
    yield opened
    await opened.close()
