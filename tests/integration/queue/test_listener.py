"""The listener hears, stops hearing, and comes back when its connection is lost."""

import logging

import asyncpg
import pytest

from orchestrator.queue import Listener, wake

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"


async def lose_connection(connection):
    """End the listener's connection from the server's side."""
    (pid,) = [row["pid"] for row in await connection.fetch(LISTENERS)]
    await connection.execute("SELECT pg_terminate_backend($1)", pid)


async def test_every_callback_of_a_channel_hears(pool, listener, until):
    heard = []
    await listener.listen("here", lambda payload: heard.append("one"))
    await listener.listen("here", lambda payload: heard.append("two"))
    await wake(pool, ["here"])
    await until(lambda: len(heard) == 2)
    assert heard == ["one", "two"]


async def test_unlisten_silences_one_callback(pool, listener, until):
    heard = []

    def first(payload):
        heard.append("first")

    await listener.listen("here", first)
    await listener.listen("here", lambda payload: heard.append("second"))
    await listener.unlisten("here", first)
    await listener.unlisten("nowhere", first)
    await wake(pool, ["here"])
    await until(lambda: heard == ["second"])


async def test_the_last_unlisten_tells_the_server(connect, pool, until):
    asked = await connect()
    heard = []

    async def connect_this():
        return asked

    async with Listener(connect_this) as listener:
        await listener.listen("here", heard.append)
        await listener.unlisten("here", heard.append)
        assert await asked.fetch("SELECT pg_listening_channels()") == []


async def test_a_failing_callback_harms_nobody(pool, listener, until, caplog):
    heard = []

    def broken(payload):
        raise RuntimeError("broken callback")

    await listener.listen("here", broken)
    await listener.listen("here", heard.append)
    await wake(pool, ["here"])
    await until(lambda: heard)
    assert "broken callback" in caplog.text


async def test_a_lost_connection_is_mended_and_made_up_for(connection, pool, listener, until, caplog):
    heard, missed = [], []
    await listener.listen("here", heard.append, missed=lambda: missed.append(True))
    with caplog.at_level(logging.WARNING):
        await lose_connection(connection)
        await until(lambda: missed)
    assert missed == [True]
    await wake(pool, ["here"])
    await until(lambda: heard)
    assert "the LISTEN connection was lost" in caplog.text


async def test_it_tries_until_the_database_is_back(connect, connection, pool, until):
    tries, missed, heard = [], [], []

    async def unreliable():
        tries.append(True)
        if 1 < len(tries) < 4:
            raise ConnectionRefusedError("not yet")
        return await connect()

    async with Listener(unreliable) as listener:
        await listener.listen("here", heard.append, missed=lambda: missed.append(True))
        await lose_connection(connection)
        await until(lambda: missed)
        assert len(tries) == 4
        await wake(pool, ["here"])
        await until(lambda: heard)


async def test_entering_raises_what_the_first_connection_raises():
    async def refused() -> asyncpg.Connection:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(ConnectionRefusedError, match="nobody there"):
        async with Listener(refused):
            pass
