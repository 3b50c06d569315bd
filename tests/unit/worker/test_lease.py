"""An attempt whose lease cannot be renewed is stopped before the lease ends."""

from __future__ import annotations

import asyncio
import time

import pytest

from orchestrator.domain.outcome import ErrorInfo
from orchestrator.errors import DatabaseUnavailable
from orchestrator.worker.execution import Execution, Limits, StopReason
from orchestrator.worker.journal import Journal
from orchestrator.worker.lease import LeaseKeeper
from orchestrator.worker.threads import Stop
from tests.unit.worker.attempts import claimed_attempt

LEASE = 0.6


class Database:
    """Renews leases as it is told to."""

    def __init__(self):
        self.state: dict | None = None
        self.renewals = 0
        self.error: Exception = DatabaseUnavailable("away")

    async def renew(self, ids):
        self.renewals += 1
        if self.state is None:
            raise self.error
        return self.state


@pytest.fixture
def database():
    return Database()


@pytest.fixture
async def keeper(database):
    keeper = LeaseKeeper(database.renew, LEASE)
    task = asyncio.create_task(keeper.run())
    yield keeper
    task.cancel()
    await asyncio.wait({task})


@pytest.fixture
async def execution(keeper):
    """An execution that never ends by itself, held from now on."""
    it = Execution(claimed_attempt(), Journal(), Stop(), Limits(None, None, 0.1), held_until=time.monotonic() + LEASE)
    keeper.hold(it)

    async def forever():
        await asyncio.Event().wait()

    task = asyncio.create_task(it.run(forever, explain=lambda error: ErrorInfo("x", "error", str(error)), insist=False))
    it.task = task
    yield it
    it.stop(StopReason.LOST)
    await asyncio.wait({task})


async def test_without_the_database_it_is_stopped_before_its_lease_ends(database, execution):
    ending = await asyncio.wait_for(execution.task, 5)
    assert ending is None
    assert execution.reason is StopReason.LOST
    assert time.monotonic() < execution.held_until
    assert database.renewals > 1


async def test_it_outlives_whatever_the_database_raises(database, execution):
    database.error = RuntimeError("cannot execute UPDATE in a read-only transaction")
    async with asyncio.timeout(LEASE):
        while not database.renewals:  # noqa: ASYNC110 - the keeper works by itself
            await asyncio.sleep(0.01)
    database.state = {execution.claimed.order.id: False}
    await asyncio.wait({execution.task}, timeout=LEASE * 2)
    assert execution.reason is None
    assert execution.held_until > time.monotonic()


async def test_it_goes_on_for_as_long_as_it_is_renewed(database, execution):
    database.state = {execution.claimed.order.id: False}
    await asyncio.wait({execution.task}, timeout=LEASE * 2)
    assert execution.reason is None
    assert execution.held_until > time.monotonic()


async def test_what_is_no_longer_held_is_lost_at_once(database, keeper, execution):
    database.state = {}
    keeper.nudge()
    assert await asyncio.wait_for(execution.task, LEASE / 2) is None


async def test_a_nudge_learns_of_a_cancellation_at_once(database, keeper, execution):
    database.state = {execution.claimed.order.id: True}
    begin = time.monotonic()
    keeper.nudge()
    ending = await asyncio.wait_for(execution.task, 5)
    assert ending.kind == "cancelled"
    assert time.monotonic() - begin < LEASE / 3


async def test_what_was_released_is_renewed_no_more(database, keeper, execution):
    database.state = {}
    keeper.release(execution)
    assert await keeper.renew_now()
    assert database.renewals == 0
    assert execution.reason is None
