"""The events of a run as a reader gets them: every one once, in order, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from orchestrator import Orchestrator, RunHandle
from orchestrator.client import handle as handle_module
from orchestrator.domain import event as events
from orchestrator.domain.event import Event
from orchestrator.store import Database, runs
from orchestrator.store.events import append_events
from tests.integration.client.test_versions import letter


@pytest.fixture
async def handle(database: Database) -> AsyncIterator[RunHandle]:
    async with Orchestrator.connect(database=database.url) as app:
        yield await app.submit(letter("dear"))


@asynccontextmanager
async def open_write_elsewhere(database: Database) -> AsyncIterator[None]:
    """A transaction that writes in another database of the same server, and is left open."""
    name = await database.fetchval("SELECT current_database()")
    other = await asyncpg.connect(database.url.replace(f"/{name}?", "/postgres?", 1))
    transaction = other.transaction()
    await transaction.start()
    await other.fetchval("SELECT pg_current_xact_id()")
    try:
        yield
    finally:
        await transaction.rollback()
        await other.close()


async def note(database: Database, run: RunHandle, *numbers: int) -> None:
    async with database.transaction() as connection:
        await append_events(
            connection, [Event(run.id, run.tenant, "attempt.log", "write", data={"n": n}) for n in numbers]
        )


async def end(database: Database, run: RunHandle, *, said: bool) -> None:
    async with database.transaction() as connection:
        if said:
            finished = Event(run.id, run.tenant, events.RUN_FINISHED, key=events.RUN_FINISHED)
            await append_events(connection, [finished])
        await runs.finish_run(connection, run.id, status="failed", output=None, error=None)


async def read(run: RunHandle) -> list[object]:
    async with asyncio.timeout(10):
        return [stored.event.data.get("n", stored.event.kind) async for stored in run.events()]


async def test_an_open_transaction_elsewhere_hides_nothing_of_a_run_that_has_ended(database, handle) -> None:
    async with open_write_elsewhere(database):
        await note(database, handle, 1, 2)
        await end(database, handle, said=True)
        assert await read(handle) == ["run.submitted", 1, 2, "run.finished"]


async def test_a_run_that_ends_without_saying_so_has_an_end_for_its_readers(database, handle) -> None:
    await note(database, handle, 1)
    reading = asyncio.create_task(read(handle))
    await asyncio.sleep(0.3)
    await note(database, handle, 2)
    await end(database, handle, said=False)
    assert await reading == ["run.submitted", 1, 2]


async def test_no_event_is_missed_or_doubled_while_transactions_come_and_go(database, handle, monkeypatch) -> None:
    monkeypatch.setattr(handle_module, "PAGE", 3)
    monkeypatch.setattr(handle_module, "POLL", 0.01)
    reading = asyncio.create_task(read(handle))
    await note(database, handle, *range(7))
    await asyncio.sleep(0.1)
    async with open_write_elsewhere(database):
        async with database.transaction() as slow:
            await append_events(slow, [Event(handle.id, handle.tenant, "attempt.log", "write", data={"n": 7})])
            await note(database, handle, *range(8, 20))
            await asyncio.sleep(0.1)
        await end(database, handle, said=True)
        seen = await reading
    assert seen == ["run.submitted", *range(20), "run.finished"]
