"""A consumer outlives the loss of its connections, and of the whole database for a while."""

import asyncio
import logging
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from orchestrator.queue import Consumer, Listener, Permit, enqueue_permits, pool_channel, wake

BACKENDS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"


@pytest.fixture
async def elsewhere(database_url):
    """A connection to another database of the same server, and the name of the test's."""
    parts = urlsplit(database_url)
    connection = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")))
    yield connection, parts.path.lstrip("/")
    await connection.close()


async def enqueue(connect, pool, count):
    connection = await connect()
    await enqueue_permits(connection, [Permit("test")] * count)
    await connection.close()
    await wake(pool, [pool_channel("test")])


async def settled(connect):
    connection = await connect()
    try:
        return await connection.fetchval("SELECT count(*) = 0 FROM orchestrator.pgqueuer")
    finally:
        await connection.close()


async def test_lost_connections_are_replaced(connect, pool, consume, elsewhere, until, caplog):
    server, database = elsewhere
    done, go = [], asyncio.Event()

    async def handler(payload):
        await go.wait()
        done.append(payload)

    consume(handler, capacity=2)
    await enqueue(connect, pool, 3)
    with caplog.at_level(logging.INFO, logger="orchestrator.queue"):
        await server.fetch(BACKENDS, database)
        await until(lambda: "the LISTEN connection is back" in caplog.text)
    go.set()
    await until(lambda: len(done) == 3)
    await enqueue(connect, pool, 2)
    await until(lambda: len(done) == 5, within=10)
    await until(lambda: settled(connect))


async def test_what_was_missed_while_deaf_is_made_up_for(connect, pool, elsewhere, until):
    """The permit's notification is sent while the listener has no connection."""
    server, database = elsewhere
    hear, tries, done = asyncio.Event(), [], []

    async def connect_when_allowed():
        tries.append(True)
        if len(tries) > 1:
            await hear.wait()
        return await connect()

    async def handler(payload):
        done.append(payload)

    async with Listener(connect_when_allowed) as listener:
        consumer = Consumer(
            pool=pool,
            listener=listener,
            entrypoint="pool:test",
            channel=pool_channel("test"),
            handler=handler,
            capacity=1,
        )
        running = asyncio.create_task(consumer.run())
        await enqueue(connect, pool, 1)
        await until(lambda: len(done) == 1)
        await until(lambda: settled(connect))
        await server.fetch(f"{BACKENDS} AND query LIKE 'LISTEN%'", database)
        await until(lambda: len(tries) == 2)
        await enqueue(connect, pool, 1)
        hear.set()
        await until(lambda: len(done) == 2, within=10)
        await consumer.stop(10)
        await running


async def test_an_outage_is_waited_for(connect, pool, consume, elsewhere, until, caplog):
    server, database = elsewhere
    entered, done, go, end = [], [], asyncio.Event(), asyncio.Event()

    async def handler(payload):
        entered.append(payload)
        await (end if len(entered) == 1 else go).wait()  # the first one outlasts the outage
        done.append(payload)

    consume(handler, capacity=2)
    await enqueue(connect, pool, 5)
    await until(lambda: len(entered) == 2)
    await server.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
    try:
        await server.fetch(BACKENDS, database)
        go.set()  # this one ends while the database is away, so that its end cannot be written
        await until(lambda: "the queue cannot be read" in caplog.text)
        assert len(done) == 1
    finally:
        await server.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    await until(lambda: len(done) == 4, within=15)
    end.set()
    await until(lambda: len(done) == 5)
    await until(lambda: settled(connect))


async def test_stopping_does_not_wait_for_the_database(connect, pool, consume, elsewhere, until):
    server, database = elsewhere
    entered, go = [], asyncio.Event()

    async def handler(payload):
        entered.append(payload)
        await go.wait()

    consumer = consume(handler)
    await enqueue(connect, pool, 1)
    await until(lambda: entered)
    await server.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
    try:
        await server.fetch(BACKENDS, database)
        go.set()
        await asyncio.wait_for(consumer.stop(5), timeout=10)
    finally:
        await server.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
