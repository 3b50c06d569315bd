"""A flood of notifications is one look at the queue."""

from orchestrator.queue.driver import QueueDriver
from orchestrator.queue.listener import Listener


async def nowhere():
    raise AssertionError("nobody connects")


async def test_notifications_that_say_nothing_new_are_dropped():
    heard = []
    driver = QueueDriver(None, Listener(nowhere), "here")
    driver.poke()  # nobody listens yet
    await driver.add_listener("here", heard.append)
    for _ in range(10):
        driver.poke()
    assert len(heard) == 1
    driver.noticed = False  # as the dispatcher does before it looks
    driver.poke()
    assert len(heard) == 2
    async with driver:
        pass
    driver.noticed = False
    driver.poke()
    assert len(heard) == 2
