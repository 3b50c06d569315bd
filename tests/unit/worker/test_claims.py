"""Limits of a worker within a process hold, and no attempt waits longer for them than it must."""

from __future__ import annotations

import asyncio

from orchestrator.domain.gate import Gate, GateKind
from orchestrator.errors import ServiceError
from orchestrator.store.claiming import Claimed
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
        return Claimed(taken)


async def test_a_workers_limit_holds_also_for_claims_at_once():
    claims = Claims(Queue(*["slow"] * 5).claim, {"slow": 2, "fast": None})
    taken = [one for one in await asyncio.gather(*[claims.take("test") for _ in range(5)]) if one is not None]
    assert len(taken) == 2


async def test_a_full_worker_does_not_hold_up_the_others():
    claims = Claims(Queue("slow", "slow", "fast").claim, {"slow": 1, "fast": None})
    first = await claims.take("test")
    second = await claims.take("test")
    assert [first.order.worker, second.order.worker] == ["slow", "fast"]


async def test_a_pool_whose_permit_found_only_full_workers_is_held_until_it_is_empty():
    claims = Claims(Queue("slow", "slow").claim, {"slow": 1})
    first = await claims.take("test")
    assert await claims.take("test") is None
    assert claims.held["test"].here == {"slow"}
    claims.give_back(first)
    second = await claims.take("test")
    assert second is not None
    claims.give_back(second)
    assert await claims.take("test") is None
    assert "test" not in claims.held


async def test_what_was_claimed_before_the_database_went_away_is_run():
    queue = Queue("slow")
    answers = iter([queue.claim("test", ("slow",), 1), ServiceError("away")])

    async def claim(pool, workers, most):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return await answer

    claims = Claims(claim, {"slow": 1, "fast": None})
    first, second = await asyncio.gather(claims.take("test"), claims.take("test"), return_exceptions=True)
    assert first.order.worker == "slow"
    assert isinstance(second, ServiceError)


async def test_without_limits_nothing_is_held():
    claims = Claims(Queue("fast").claim, {"fast": None})
    await claims.take("test")
    assert await claims.take("test") is None
    assert not claims.held


async def test_a_pool_is_held_by_gates_that_were_closed():
    shut = Gate(GateKind.POOL, "test", most=1)

    async def closed(pool, workers, most):
        return Claimed([], closed=frozenset({shut}), wait=0.5)

    claims = Claims(closed, {"fast": None})
    assert await claims.take("test") is None
    assert (claims.held["test"].gates, claims.held["test"].wait) == ({shut}, 0.5)
