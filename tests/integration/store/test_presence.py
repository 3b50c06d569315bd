"""A process's heartbeat: nothing that goes wrong with one beat ends the beating."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import DatabaseUnavailable
from orchestrator.store import Database, presence, processes
from orchestrator.store.presence import Presence
from tests.chaos.server import Server


async def nothing() -> None:
    return


async def test_the_heart_goes_on_beating_after_any_error(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    beats: list[bool] = []
    resumed = asyncio.Event()

    async def beat(*arguments: Any) -> bool:
        if len(beats) < 2:
            beats.append(False)
            raise RuntimeError("nobody thought of this")
        resumed.set()
        return await processes.beat(*arguments)

    monkeypatch.setattr(presence, "beat", beat)
    async with Presence(database, "worker", every=0.05, on_buried=nothing):
        await asyncio.wait_for(resumed.wait(), 5)
    assert "nobody thought of this" in caplog.text


async def test_a_process_that_was_buried_registers_again_even_if_its_first_try_fails(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = asyncio.Event()

    async def register(*arguments: Any) -> None:
        await processes.register(*arguments)
        registered.set()

    buried: list[int] = []

    async def on_buried() -> None:
        buried.append(1)
        if len(buried) == 1:
            raise RuntimeError("could not tidy up")

    async with Presence(database, "worker", every=0.05, on_buried=on_buried) as here:
        first = here.id
        monkeypatch.setattr(presence, "register", register)
        await database.execute("DELETE FROM processes")
        await asyncio.wait_for(registered.wait(), 5)
        assert here.id != first
        assert len(buried) == 2
        assert await database.fetchval("SELECT id FROM processes") == here.id


@pytest.mark.slow
async def test_who_begins_to_serve_while_the_database_restarts_waits_for_it(server_folder: Path) -> None:
    with Server.opened(server_folder) as server:
        async with server.database() as url:
            database = await Database.connect(url, size=2)
            crashing = asyncio.create_task(server.crash())
            while await database_answers(database):  # noqa: ASYNC110 - another process is killed
                await asyncio.sleep(0)
            async with Presence(database, "worker", every=0.2, on_buried=nothing) as member:
                assert await database.fetchval("SELECT id FROM processes") == member.id
            await crashing
            await database.close()


async def database_answers(database: Database) -> bool:
    try:
        return bool(await database.fetchval("SELECT true"))
    except DatabaseUnavailable:
        return False
