"""Run jobs and permits join the caller's transaction, and a wanted run job is never refused."""

import asyncio

import pytest

from orchestrator.domain.identity import new_run_id
from orchestrator.queue import (
    RUN_CHANNEL,
    Consumer,
    Permit,
    enqueue_permits,
    enqueue_run_jobs,
    prune,
    read_run_job,
    waiting_permits,
    wake,
)


async def run_jobs(connection, status="queued"):
    rows = await connection.fetch(
        """
        SELECT payload, priority FROM orchestrator.pgqueuer
        WHERE entrypoint = 'run' AND status = $1 ORDER BY priority DESC, id
        """,
        status,
    )
    return [(read_run_job(row["payload"]), row["priority"]) for row in rows]


async def test_jobs_are_rolled_back_with_the_transaction(connection):
    class Undo(Exception):
        pass

    with pytest.raises(Undo):
        async with connection.transaction():
            await enqueue_run_jobs(connection, [(new_run_id(), 0)])
            await enqueue_permits(connection, [Permit("test")])
            raise Undo
    assert await connection.fetchval("SELECT count(*) FROM orchestrator.pgqueuer") == 0


async def test_a_run_job_says_its_run_and_priority(connection):
    low, high = new_run_id(), new_run_id()
    await enqueue_run_jobs(connection, [(low, 0), (high, 7)])
    assert await run_jobs(connection) == [(high, 7), (low, 0)]


async def test_a_run_is_queued_once(connection):
    run_id = new_run_id()
    for _ in range(3):
        await enqueue_run_jobs(connection, [(run_id, 0)])
    assert len(await run_jobs(connection)) == 1


async def test_a_picked_job_does_not_hold_up_the_next(connection):
    run_id = new_run_id()
    await enqueue_run_jobs(connection, [(run_id, 0)])
    await connection.execute("UPDATE orchestrator.pgqueuer SET status = 'picked'")
    for _ in range(2):
        await enqueue_run_jobs(connection, [(run_id, 3)])
    assert await run_jobs(connection, "picked") == [(run_id, 0)]
    assert await run_jobs(connection) == [(run_id, 3)]


async def test_nothing_to_enqueue_is_no_statement(connection):
    await enqueue_run_jobs(connection, [])
    await enqueue_permits(connection, [])
    assert await connection.fetchval("SELECT count(*) FROM orchestrator.pgqueuer") == 0


@pytest.fixture
async def handled(pool, listener):
    """The runs whose jobs a consumer has handled; it runs during the test."""
    runs = []

    async def handler(payload):
        runs.append(read_run_job(payload))

    consumer = Consumer(
        pool=pool, listener=listener, entrypoint="run", channel=RUN_CHANNEL, handler=handler, capacity=7
    )
    running = asyncio.create_task(consumer.run())
    yield runs
    await consumer.stop(10)
    await running


async def test_enqueueing_the_same_runs_while_they_are_picked_does_not_deadlock(connection, pool, handled, until):
    runs = [(new_run_id(), 0) for _ in range(50)]

    async def enqueue(order):
        async with pool.acquire() as mine, mine.transaction():
            await enqueue_run_jobs(mine, order[:25])
            await enqueue_run_jobs(mine, order[25:])
        await wake(pool, [RUN_CHANNEL])

    for _ in range(20):
        handled.clear()
        await asyncio.gather(enqueue(runs), enqueue(runs[::-1]), enqueue(runs[25:] + runs[:25]))
        await until(lambda: set(handled) == {run_id for run_id, _ in runs})

    async def empty():
        return await connection.fetchval("SELECT count(*) FROM orchestrator.pgqueuer") == 0

    await until(empty)


async def test_a_queued_job_waits_for_whoever_wants_it_too(connection, connect, pool, listener, until):
    """A job that is picked before the caller's commit would be ended without seeing what the caller wrote."""
    wanted, other = new_run_id(), new_run_id()
    await enqueue_run_jobs(connection, [(wanted, 5), (other, 0)])
    handled = []

    async def handler(payload):
        handled.append(read_run_job(payload))

    consumer = Consumer(
        pool=pool, listener=listener, entrypoint="run", channel=RUN_CHANNEL, handler=handler, capacity=1
    )
    async with connection.transaction():
        await enqueue_run_jobs(connection, [(wanted, 5)])
        running = asyncio.create_task(consumer.run())
        await until(lambda: handled == [other])
        second = await connect()
        async with second.transaction():
            await enqueue_run_jobs(second, [(wanted, 5)])
        await second.close()
    await until(lambda: len(handled) == 2)
    assert handled == [other, wanted]
    assert await run_jobs(connection) == []
    await consumer.stop(10)
    await running


async def test_waiting_permits_are_those_that_may_be_used_now(connection, pool):
    await enqueue_permits(connection, [Permit("a"), Permit("a", priority=5), Permit("a", delay=60), Permit("b")])
    await connection.execute("UPDATE orchestrator.pgqueuer SET status = 'picked' WHERE entrypoint = 'pool:b'")
    assert await waiting_permits(pool, ["a", "b", "c"]) == {"a": 2, "b": 0, "c": 0}
    assert await waiting_permits(pool, []) == {}


async def test_old_log_rows_are_pruned(connection, pool):
    await enqueue_permits(connection, [Permit("test")] * 3)
    await connection.execute(
        "UPDATE orchestrator.pgqueuer_log SET created = now() - interval '2 hours' WHERE id IN (1, 2)"
    )
    assert await prune(pool, older_than=3600) == 2
    assert await prune(pool, older_than=3600) == 0
    assert await connection.fetchval("SELECT count(*) FROM orchestrator.pgqueuer_log") == 1
