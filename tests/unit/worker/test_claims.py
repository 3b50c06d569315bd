"""Limits of a worker within a process hold, and no attempt waits longer for them than it must."""

from __future__ import annotations

import asyncio

from orchestrator.worker.claims import Claims
from tests.unit.worker.attempts import claimed_attempt


class Queue:
    """Attempts that wait, by worker."""

    def __init__(self, *workers: str):
        self.waiting = [claimed_attempt(worker) for worker in workers]

    async def claim(self, pool, workers, most):
        await asyncio.sleep(0)
        taken = [attempt for attempt in self.waiting if attempt.order.worker in workers][:most]
        self.waiting = [attempt for attempt in self.waiting if attempt not in taken]
        return taken


async def test_a_workers_limit_holds_also_for_claims_at_once():
    claims = Claims(Queue(*["slow"] * 5).claim, {"slow": 2, "fast": None})
    taken = [one for one in await asyncio.gather(*[claims.take("test") for _ in range(5)]) if one is not None]
    assert len(taken) == 2


async def test_a_full_worker_does_not_hold_up_the_others():
    claims = Claims(Queue("slow", "slow", "fast").claim, {"slow": 1, "fast": None})
    first = await claims.take("test")
    second = await claims.take("test")
    assert [first.order.worker, second.order.worker] == ["slow", "fast"]


async def test_a_permit_that_found_only_full_workers_is_made_up_for():
    claims = Claims(Queue("slow", "slow").claim, {"slow": 1})
    first = await claims.take("test")
    assert await claims.take("test") is None
    assert claims.give_back(first)
    second = await claims.take("test")
    assert second is not None
    assert not claims.give_back(second)


async def test_without_limits_nothing_is_owed():
    claims = Claims(Queue("fast").claim, {"fast": None})
    first = await claims.take("test")
    assert await claims.take("test") is None
    assert not claims.give_back(first)
