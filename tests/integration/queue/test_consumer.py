"""A consumer wakes at once, keeps its capacity exactly, and stops as it is told."""

import asyncio
import time

import pytest

from orchestrator.domain.identity import new_run_id
from orchestrator.queue import (
    RUN_CHANNEL,
    RUN_ENTRYPOINT,
    Consumer,
    Listener,
    Permit,
    enqueue_permits,
    enqueue_run_jobs,
    pool_channel,
    read_run_job,
    wake,
)


class Gate:
    """A handler whose calls stay until they are let go; counts how many are in it."""

    def __init__(self):
        self.entered = self.inside = self.most = self.left = self.cancelled = 0
        self.open = asyncio.Event()

    async def __call__(self, payload):
        self.entered += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
            self.left += 1
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.inside -= 1


async def test_a_run_job_reaches_its_handler(connection, pool, listener, until):
    heard = []

    async def handler(payload):
        heard.append(read_run_job(payload))

    consumer = Consumer(
        pool=pool,
        listener=listener,
        entrypoint=RUN_ENTRYPOINT,
        channel=RUN_CHANNEL,
        handler=handler,
        capacity=4,
    )
    running = asyncio.create_task(consumer.run())
    run_id = new_run_id()
    await enqueue_run_jobs(connection, [(run_id, 0)])
    await wake(pool, [RUN_CHANNEL])
    await until(lambda: heard == [run_id])
    await consumer.stop(10)
    await running
    assert await connection.fetchval("SELECT count(*) FROM orchestrator.pgqueuer") == 0


async def test_an_idle_consumer_is_woken(consume, permit, until, jobs):
    gate = Gate()
    gate.open.set()
    consume(gate)
    for count in range(1, 6):
        await permit()
        await until(lambda count=count: gate.left == count, within=5)  # an idle poll would take 30 s

    async def empty():
        return await jobs("picked") == 0

    await until(empty)


@pytest.mark.parametrize("capacity", [1, 3])
async def test_the_capacity_is_reached_and_never_exceeded(consume, permit, until, jobs, capacity):
    gate = Gate()
    consume(gate, capacity=capacity)
    await permit(10)
    await until(lambda: gate.inside == capacity)
    await permit(2)  # a wake-up while it is full
    assert await jobs("picked") == capacity
    gate.open.set()
    await until(lambda: gate.left == 12)
    assert gate.most == capacity


async def test_the_next_job_follows_at_once(consume, permit, until):
    gate = Gate()
    gate.open.set()
    consume(gate, capacity=1)
    await permit()
    await until(lambda: gate.left == 1)
    begun = time.perf_counter()
    await permit(100)
    await until(lambda: gate.left == 101)
    assert time.perf_counter() - begun < 5.0, "a poll every 0.1 s would take 10 s"


async def test_a_higher_priority_goes_first(connection, pool, consume, until):
    await enqueue_permits(connection, [Permit("test", priority=priority) for priority in (1, 5, 3)])
    order = await connection.fetch("SELECT id, priority FROM orchestrator.pgqueuer")
    gate = Gate()
    consume(gate)
    await until(lambda: gate.inside == 1)
    picked = await connection.fetchval("SELECT id FROM orchestrator.pgqueuer WHERE status = 'picked'")
    assert {row["id"]: row["priority"] for row in order}[picked] == 5


async def test_a_delayed_permit_wakes_an_idle_consumer_in_time(consume, permit, until):
    gate = Gate()
    gate.open.set()
    consume(gate)
    await permit()
    await until(lambda: gate.left == 1)
    begun = time.perf_counter()
    await permit(delay=0.5)
    await until(lambda: gate.left == 2, within=10)
    assert time.perf_counter() - begun >= 0.5


async def test_the_job_of_a_killed_process_comes_back(connection, consume, permit, until):
    await permit()
    await connection.execute(
        """
        UPDATE orchestrator.pgqueuer
        SET status = 'picked', queue_manager_id = gen_random_uuid(), heartbeat = now() - interval '2 minutes'
        """
    )
    gate = Gate()
    gate.open.set()
    consume(gate)
    await until(lambda: gate.left == 1)


async def test_a_pool_hears_only_its_own_permits(consume, permit, until):
    mine, other = Gate(), Gate()
    mine.open.set()
    consume(mine, name="mine")
    consume(other, name="other")
    await permit(3, name="mine")
    await until(lambda: mine.left == 3)
    assert other.entered == 0


async def test_two_consumers_share_a_pool(consume, permit, until):
    first, second = Gate(), Gate()
    consume(first)
    consume(second)
    await permit(2)
    await until(lambda: first.inside == second.inside == 1)


async def test_a_failing_handler_is_logged_and_the_next_job_goes_on(connection, consume, permit, until, caplog):
    calls = []

    async def handler(payload):
        calls.append(True)
        if len(calls) == 1:
            raise RuntimeError("broken handler")

    consume(handler)
    await permit(2)
    await until(lambda: len(calls) == 2)
    assert "broken handler" in caplog.text

    async def recorded():
        return await connection.fetchval(
            "SELECT traceback::text FROM orchestrator.pgqueuer_log WHERE status = 'exception'"
        )

    await until(recorded)
    assert "broken handler" in await recorded()


async def test_stop_lets_handlers_finish_within_the_grace(consume, permit, until, jobs):
    gate = Gate()
    consumer = consume(gate, capacity=2)
    await permit(5)
    await until(lambda: gate.inside == 2)
    stopping = asyncio.create_task(consumer.stop(30))
    await permit()
    assert not stopping.done()
    gate.open.set()
    await stopping
    assert (gate.left, gate.cancelled) == (2, 0)
    assert (await jobs("queued"), await jobs("picked")) == (4, 0)


async def test_stop_cancels_what_outlasts_the_grace(consume, permit, until, jobs):
    gate = Gate()
    consumer = consume(gate, capacity=2)
    await permit(5)
    await until(lambda: gate.inside == 2)
    await consumer.stop(0.05)
    assert (gate.left, gate.cancelled) == (0, 2)
    assert (await jobs("queued"), await jobs("picked")) == (3, 0)


async def test_a_stopped_consumer_no_longer_listens(connect, pool, permit, until):
    ears = await connect()
    gate = Gate()
    gate.open.set()

    async def connect_ears():
        return ears

    async with Listener(connect_ears) as listener:
        consumer = Consumer(
            pool=pool,
            listener=listener,
            entrypoint="pool:test",
            channel=pool_channel("test"),
            handler=gate,
            capacity=1,
        )
        running = asyncio.create_task(consumer.run())
        await permit()
        await until(lambda: gate.left == 1)
        assert await ears.fetchval("SELECT pg_listening_channels()") == pool_channel("test")
        await consumer.stop(10)
        await running
        assert await ears.fetch("SELECT pg_listening_channels()") == []


async def test_cancelling_run_cancels_the_handlers(pool, listener, permit, until):
    gate = Gate()
    consumer = Consumer(
        pool=pool,
        listener=listener,
        entrypoint="pool:test",
        channel=pool_channel("test"),
        handler=gate,
        capacity=1,
    )
    running = asyncio.create_task(consumer.run())
    await permit()
    await until(lambda: gate.inside == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gate.cancelled == 1
    await consumer.stop(1)


async def test_jobs_that_were_picked_while_stopping_are_put_back(consume, permit, jobs, until):
    """Stopping at every moment of a busy consumer neither loses a permit nor leaves one picked."""
    total = 0
    for turn in range(20):
        done = Gate()
        done.open.set()
        consumer = consume(done, capacity=5)
        await permit(20)
        total += 20
        await until(lambda done=done, turn=turn: done.entered > turn % 4)
        await consumer.stop(10)
        total -= done.left
        assert (await jobs("queued"), await jobs("picked")) == (total, 0)


async def test_a_consumer_that_was_never_run_stops(pool, listener):
    async def handler(payload):
        raise AssertionError("nothing to handle")

    consumer = Consumer(pool=pool, listener=listener, entrypoint="pool:x", channel="x", handler=handler, capacity=1)
    await consumer.stop(10)
    await consumer.run()


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_of_nothing_is_refused(capacity):
    with pytest.raises(ValueError, match="at least 1"):
        Consumer(pool=None, listener=None, entrypoint="", channel="", handler=None, capacity=capacity)
