"""Writes and reads of many callers in one statement: what gathers while one is under way goes with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from orchestrator.errors import ServiceError

Given = TypeVar("Given")
Answer = TypeVar("Answer")


class Batcher(Generic[Given, Answer]):
    """Gives every caller its own answer out of a statement that it shares with others.

    Nobody waits for company: an idle batcher runs at once with what it has. A batch that fails is taken apart, so that
    only the caller whose part is at fault hears of it; when the database is away, all hear of that.

    Args:
        run: takes what callers gave, and returns one answer, or exception, for each, in their order.
        most: callers in one statement at the most.
        at_once: statements under way at the most.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Given]], Awaitable[Sequence[Answer | Exception]]],
        *,
        most: int = 128,
        at_once: int = 1,
    ) -> None:
        self._run = run
        self._most = most
        self._at_once = at_once
        self._waiting: list[tuple[Given, asyncio.Future[Answer]]] = []
        self._under_way = 0
        self._flushes: set[asyncio.Task[None]] = set()

    async def ask(self, given: Given) -> Answer:
        """Take part in the next statement.

        Raises:
            Exception: what `run` raised, or returned, for this part.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, answer))
        if self._under_way < self._at_once:
            self._under_way += 1
            flush = asyncio.create_task(self._flush(), name="batch")
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        return await answer

    async def _flush(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # whoever is ready to ask in this round of the loop comes along
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer(batch)
        finally:
            self._under_way -= 1  # in the same moment as the last look, or an answered caller asks in vain

    async def _answer(self, batch: list[tuple[Given, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._run([given for given, _ in batch])
        except Exception as error:  # noqa: BLE001  # it is the callers' to handle
            if len(batch) > 1 and not isinstance(error, ServiceError):
                for part in batch:
                    await self._answer([part])
                return
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
