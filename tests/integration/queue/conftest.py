"""A database of its own for each test, with the queue installed, and connections to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from orchestrator.queue import (
    Consumer,
    Listener,
    Permit,
    enqueue_permits,
    pool_channel,
    pool_entrypoint,
    wake,
)

Connect = Callable[[], Awaitable[asyncpg.Connection]]


@pytest.fixture
def connect(database_url) -> Connect:
    """Opens a connection as the package's own are."""

    async def open_connection() -> asyncpg.Connection:
        return await asyncpg.connect(database_url, server_settings={"search_path": "orchestrator, public"}, timeout=10)

    return open_connection


@pytest.fixture
async def connection(connect) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database where the queue is installed; no test leaves a task behind."""
    connection = await connect()
    yield connection
    await connection.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def pool(connection, database) -> asyncpg.Pool:
    """The pool of a process."""
    return database.pool


@pytest.fixture
async def listener(connect, connection) -> AsyncIterator[Listener]:
    """The listener of a process."""
    async with Listener(connect) as listener:
        yield listener


@pytest.fixture
async def consume(pool, listener) -> AsyncIterator[Callable[..., Consumer]]:
    """Starts a consumer of a pool of workers, and stops it at the end."""
    running: list[tuple[Consumer, asyncio.Task[None]]] = []

    def start(handler, *, name: str = "test", capacity: int = 1) -> Consumer:
        consumer = Consumer(
            pool=pool,
            listener=listener,
            entrypoint=pool_entrypoint(name),
            channel=pool_channel(name),
            handler=handler,
            capacity=capacity,
        )
        running.append((consumer, asyncio.create_task(consumer.run())))
        return consumer

    yield start
    for consumer, task in running:
        await asyncio.wait_for(consumer.stop(), 30)
        await asyncio.wait_for(task, 30)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits for a condition, sync or async; a test that waits in vain fails."""

    async def wait_until(condition: Callable[[], object], *, within: float = 20.0) -> None:
        async with asyncio.timeout(within):
            while True:
                result = condition()
                if await result if isinstance(result, Awaitable) else result:
                    return
                await asyncio.sleep(0.005)

    return wait_until


@pytest.fixture
def permit(connection, pool):
    """Enqueues permits and wakes their pool after the commit."""

    async def enqueue(count=1, *, delay=0.0, name="test"):
        async with connection.transaction():
            await enqueue_permits(connection, [Permit(name, delay=delay)] * count)
        await wake(pool, [pool_channel(name)])

    return enqueue


@pytest.fixture
def jobs(connection):
    """Counts the jobs of a status that are in the queue."""

    async def count(status):
        return await connection.fetchval("SELECT count(*) FROM orchestrator.pgqueuer WHERE status = $1", status)

    return count
