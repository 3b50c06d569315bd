"""Pauses between tries grow, end at a bound, and differ between processes."""

import asyncio

from orchestrator.queue.outage import pause, sleep_unless


def test_pauses_grow_to_a_bound():
    for failures in range(1, 2000, 37):
        assert 0.05 <= pause(failures) <= 5.0
    assert max(pause(1) for _ in range(100)) <= 0.1
    assert min(pause(50) for _ in range(100)) >= 2.5


def test_pauses_are_jittered():
    assert len({pause(5) for _ in range(20)}) > 1


async def test_a_set_event_ends_the_sleep():
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    await asyncio.wait_for(sleep_unless(event, 3600), timeout=5)


async def test_the_sleep_ends_by_itself():
    await asyncio.wait_for(sleep_unless(asyncio.Event(), 0.01), timeout=5)
