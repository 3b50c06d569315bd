"""Fifty consumers on one pool: an attempt wakes few of them, and none is forgotten."""

from __future__ import annotations

import asyncio

from orchestrator.queue import Consumer, Permit, enqueue_permits, pool_channel, pool_entrypoint, wake
from orchestrator.queue.dispatcher import Dispatcher

CROWD = 50


async def consumers_of(pool, listener, handler, count, capacity=1):
    consumers = [
        Consumer(
            pool=pool,
            listener=listener,
            entrypoint=pool_entrypoint("crowded"),
            channel=pool_channel("crowded"),
            handler=handler,
            capacity=capacity,
            crowd=lambda: count,
        )
        for _ in range(count)
    ]
    running = [asyncio.create_task(each.run()) for each in consumers]
    return consumers, running


async def test_one_permit_wakes_few_of_fifty(connection, pool, listener, monkeypatch, until):
    looks = handled = 0
    pick = Dispatcher._pick

    async def counted(self, *arguments):
        nonlocal looks
        looks += 1
        return await pick(self, *arguments)

    async def handler(payload):
        nonlocal handled
        handled += 1
        await asyncio.sleep(0.15)  # its consumer is full meanwhile

    monkeypatch.setattr(Dispatcher, "_pick", counted)
    consumers, running = await consumers_of(pool, listener, handler, CROWD)
    await until(lambda: looks == CROWD)  # each looks once as it begins
    await asyncio.sleep(0.5)
    looks = 0
    for number in range(1, 11):
        await enqueue_permits(connection, [Permit("crowded")])
        await wake(pool, [pool_channel("crowded")])
        await until(lambda number=number: handled == number)
        await asyncio.sleep(0.3)
    assert looks < 10 * CROWD / 2
    await asyncio.gather(*(each.stop() for each in consumers))
    await asyncio.gather(*running)


async def test_a_burst_reaches_everybody(connection, pool, listener, until):
    inside, gate = 0, asyncio.Event()

    async def handler(payload):
        nonlocal inside
        inside += 1
        await gate.wait()

    consumers, running = await consumers_of(pool, listener, handler, 20)
    await asyncio.sleep(0.5)
    await enqueue_permits(connection, [Permit("crowded")] * 20)
    await wake(pool, [pool_channel("crowded")])
    await until(lambda: inside == 20)
    gate.set()
    await asyncio.gather(*(each.stop(5) for each in consumers))
    await asyncio.gather(*running)


async def test_a_permit_that_comes_while_another_is_taken_waits_for_no_poll(connection, pool, listener, until):
    handled = 0

    async def handler(payload):
        nonlocal handled
        handled += 1
        await asyncio.sleep(0.01)

    consumers, running = await consumers_of(pool, listener, handler, 10)
    await asyncio.sleep(0.5)
    for _ in range(100):
        await enqueue_permits(connection, [Permit("crowded")])
        await wake(pool, [pool_channel("crowded")])
    await until(lambda: handled == 100)
    await asyncio.gather(*(each.stop() for each in consumers))
    await asyncio.gather(*running)
