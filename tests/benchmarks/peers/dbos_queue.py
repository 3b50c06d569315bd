"""The peer DBOS: its processes are started here, and given orders."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.benchmarks.processes import REPOSITORY

NAME = "DBOS queue"
START_SECONDS = 60.0
ORDER_SECONDS = 600.0
STOP_SECONDS = 20.0


class Dbos:
    """A process that hosts runs."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def seconds(self, shape: str, runs: int, steps: int) -> float:
        """How long so many runs of a shape (`chain`, `fan_out`) take."""
        assert self._process.stdin is not None
        order = {"shape": shape, "runs": runs, "steps": steps}
        self._process.stdin.write(f"{json.dumps(order)}\n".encode())
        await self._process.stdin.drain()
        return float((await _answer(self._process, ORDER_SECONDS))["seconds"])


@asynccontextmanager
async def opened_dbos(url: str, *, apart: bool) -> AsyncIterator[Dbos]:
    """DBOS on an empty database.

    Args:
        url: of the database.
        apart: another process serves the queue of steps; else the one that hosts the runs does.
    """
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(_process(url, "runs" if apart else "all"))
        if apart:
            await stack.enter_async_context(_process(url, "steps"))
        yield Dbos(host)


@asynccontextmanager
async def _process(url: str, role: str) -> AsyncIterator[Process]:
    module = "tests.benchmarks.peers.dbos_process"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, url, role, cwd=REPOSITORY, stdin=PIPE, stdout=PIPE
    )
    try:
        await _answer(process, START_SECONDS)
        yield process
    finally:
        await _end(process)


async def _answer(process: Process, seconds: float) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(seconds):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"the process of DBOS ended with {await process.wait()}")
    return dict(json.loads(line))


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
