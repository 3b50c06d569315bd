"""The workers that are measured. Serving processes import a copy of this file from a project folder."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from orchestrator import worker


class Nap(BaseModel):
    """How long to sleep."""

    seconds: float


@worker("benchmark.nothing", pool="benchmark", concurrency=256)
async def nothing() -> dict[str, bool]:
    """Do nothing."""
    return {"done": True}


@worker("benchmark.sleep", pool="benchmark", concurrency=256)
async def sleep(input: Nap) -> Nap:
    """Take some time."""
    await asyncio.sleep(input.seconds)
    return input


@worker("benchmark.unserved", pool="unserved")
async def unserved() -> dict[str, bool]:
    """Never called: nobody serves its pool."""
    return {"done": True}


ALL = [nothing, sleep, unserved]
