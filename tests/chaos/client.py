"""The client: submits runs under idempotency keys, again and again until they are in, and waits for their ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path
from typing import TypeVar

from orchestrator import Orchestrator, RunHandle, RunResult, Workflow
from orchestrator.errors import ServiceError

T = TypeVar("T")
PAUSE = 0.2
LOOK = 0.25
UNFINISHED = "SELECT count(*) FROM runs WHERE finished_at IS NULL"


class Client:
    """Does for an opened project what a caller who must not lose a run does.

    Attributes:
        refusals: how often the database was away.
    """

    def __init__(self, app: Orchestrator) -> None:
        self._app = app
        self.refusals = 0

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """What a call gives once the database is there; any other error is one of ours."""
        while True:
            try:
                return await call()
            except ServiceError:
                self.refusals += 1
                await asyncio.sleep(PAUSE)

    async def submit(self, files: list[Path], flood: Path, *, runs: int, items: int, pace: float) -> list[RunHandle]:
        """Submit the flood and so many runs of the workflows in turn.

        Args:
            files: of the workflows.
            flood: of the workflow that fills the queue.
            runs: how many.
            items: of the flood.
            pace: seconds between two runs.
        """
        workflows = [await self.insist(lambda file=file: self._app.load(file)) for file in [flood, *files]]  # type: ignore[misc]
        given = {"items": list(range(items))}
        handles = [await self._submit(workflows[0], given, "flood")]
        for number, workflow in zip(range(runs), cycle(workflows[1:]), strict=False):
            handles.append(await self._submit(workflow, {}, f"run-{number}"))
            await asyncio.sleep(pace)
        return handles

    async def _submit(self, workflow: Workflow, given: dict[str, object], key: str) -> RunHandle:
        return await self.insist(lambda: self._app.submit(workflow, given, idempotency_key=key))

    async def ended(self) -> None:
        """Wait until no run is left that has not ended."""
        while await self.insist(lambda: self._app.database.fetchval(UNFINISHED)):  # noqa: ASYNC110 - rows of other processes
            await asyncio.sleep(LOOK)

    async def result(self, handle: RunHandle) -> RunResult:
        """What a run came to."""
        return await self.insist(handle.result)
