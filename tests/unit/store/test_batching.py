"""Callers share statements, and each gets its own answer, or its own error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from orchestrator.errors import DatabaseUnavailable
from orchestrator.store.batching import Batcher


class Doubler:
    """Doubles numbers, slowly; -1 spoils the statement that it is in, 0 is refused."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.away = False

    async def __call__(self, given: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(given))
        await asyncio.sleep(0.01)
        if self.away:
            raise DatabaseUnavailable("gone")
        if -1 in given:
            raise ValueError("spoilt")
        return [ValueError("none of that") if each == 0 else each * 2 for each in given]


async def test_what_gathers_meanwhile_goes_together():
    run = Doubler()
    batcher = Batcher(run, most=4)
    assert await asyncio.gather(*(batcher.ask(number) for number in range(1, 11))) == [2 * n for n in range(1, 11)]
    assert [len(batch) for batch in run.batches] == [4, 4, 2]


async def test_a_caller_that_asks_again_at_once_is_heard():
    batcher = Batcher(Doubler())
    async with asyncio.timeout(5):
        for number in range(1, 20):
            assert await batcher.ask(number) == 2 * number


async def test_only_the_caller_at_fault_hears_of_it():
    run = Doubler()
    batcher = Batcher(run)
    answers = await asyncio.gather(*(batcher.ask(number) for number in (1, -1, 0, 2)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["2", "spoilt", "none of that", "4"]
    assert run.batches == [[1, -1, 0, 2], [1], [-1], [0], [2]]


async def test_a_caller_hears_of_an_error_and_may_try_again():
    batcher = Batcher(Doubler())
    async with asyncio.timeout(5):
        for _ in range(3):
            with pytest.raises(ValueError, match="spoilt"):
                await batcher.ask(-1)
            assert await batcher.ask(1) == 2


async def test_when_the_database_is_away_all_hear_of_it_once():
    run = Doubler()
    run.away = True
    batcher = Batcher(run)
    answers = await asyncio.gather(*(batcher.ask(number) for number in (1, 2, 3)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {DatabaseUnavailable}
    assert len(run.batches) == 1


async def test_a_caller_that_gives_up_disturbs_nobody():
    batcher = Batcher(Doubler())
    first, second = asyncio.create_task(batcher.ask(1)), asyncio.create_task(batcher.ask(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 4
