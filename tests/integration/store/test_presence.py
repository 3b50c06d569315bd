"""A process's heartbeat: nothing that goes wrong with one beat ends the beating."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orchestrator.store import Database, presence, processes
from orchestrator.store.presence import Presence


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
