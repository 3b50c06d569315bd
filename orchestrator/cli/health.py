"""The sign of life of a serving process: a file that it touches, so that a probe costs no process of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

EVERY = 1.0
"""Seconds."""


@asynccontextmanager
async def healthy(file: Path | None) -> AsyncIterator[None]:
    """Make `file` and touch it every second from the event loop, until the block ends; then remove it.

    It stays fresh while the database is away, for a process that is started anew would not find it either; it
    grows old when something blocks the event loop.
    """
    if file is None:
        yield
        return

    async def touch() -> None:
        while True:
            file.touch()  # noqa: ASYNC240 - from the loop itself, or it would tell nothing of the loop
            await asyncio.sleep(EVERY)

    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    touching = asyncio.create_task(touch(), name="sign of life")
    try:
        yield
    finally:
        touching.cancel()
        await asyncio.wait({touching})
        file.unlink(missing_ok=True)  # noqa: ASYNC240 - the last thing that is done
