"""Tools and workers that agents call in the tests of tools."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel

from orchestrator import Context, Depends, tool, validator, worker
from tests.integration.worker.specialists import POOL

CALLS: Counter[str] = Counter()
RUNNING: Counter[str] = Counter()
PEAK: Counter[str] = Counter()


def reset() -> None:
    """Forget what was counted."""
    for counter in (CALLS, RUNNING, PEAK):
        counter.clear()


class City(BaseModel):
    """A city."""

    city: str


class Weather(BaseModel):
    """What it is like."""

    degrees: int
    sky: str = "clear"


@worker("t.weather", pool=POOL)
async def weather(input: City) -> Weather:
    """The weather of a city, now.

    Cities are named in English.
    """
    CALLS["weather"] += 1
    if input.city == "Atlantis":
        raise LookupError("there is no city called Atlantis")
    return Weather(degrees=len(input.city))


@tool("t.add")
def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    CALLS["add"] += 1
    return a + b


@tool("t.slow")
async def slow(name: str, seconds: float = 0.2) -> str:
    """Takes its time."""
    RUNNING["slow"] += 1
    PEAK["slow"] = max(PEAK["slow"], RUNNING["slow"])
    try:
        await asyncio.sleep(seconds)
        CALLS["slow"] += 1
    finally:
        RUNNING["slow"] -= 1
    return name


@tool("t.hurried", timeout="100ms")
async def hurried() -> str:
    """Never comes back in time."""
    await asyncio.sleep(60)
    return "late"


@tool("t.stubborn")
def stubborn(seconds: float) -> str:
    """Sleeps in a thread."""
    RUNNING["stubborn"] += 1
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.01)
    finally:
        RUNNING["stubborn"] -= 1
    return "done"


@tool("t.deaf")
def deaf(seconds: float) -> str:
    """Sleeps in one long call that nothing interrupts."""
    RUNNING["deaf"] += 1
    try:
        time.sleep(seconds)
    finally:
        RUNNING["deaf"] -= 1
    return "done"


@tool("t.asleep", process=True, timeout="6s")
def asleep(path: str) -> None:
    """Leaves its process's id and sleeps."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


@tool("t.apart", process=True)
def apart(n: int) -> dict[str, Any]:
    """Doubles a number in a process of its own."""
    return {"pid": os.getpid(), "twice": 2 * n}


@tool("t.charge")
async def charge(amount: int, ctx: Context) -> str:
    """Charges an amount, once."""
    async with ctx.effect("charge") as effect:
        if not effect.confirmed:
            CALLS["charge"] += 1
            if amount == 13:
                raise RuntimeError("the line went dead")
            effect.confirm(amount)
    return f"charged {amount} under {ctx.idempotency_key}"


@tool("t.key")
async def key(ctx: Context) -> str:
    """Tells the key."""
    ctx.log.info("asked for the key")
    return f"the key is {ctx.secret('HOUSE_KEY')}"


@tool("t.think")
async def think(ctx: Context) -> str:
    """Asks a model."""
    return str((await ctx.model("small").ainvoke("What do you think?")).text)


async def number_of_the_day() -> int:
    """What is depended on."""
    return 7


@tool("t.number")
async def number(day: Annotated[int, Depends(number_of_the_day)]) -> int:
    """The number of the day."""
    return day


@tool("t.leaves")
async def leaves() -> None:
    """Ends the process, if it is let."""
    sys.exit(3)


@tool("t.wrong")
async def wrong() -> int:
    """Promises a number."""
    return "seven"  # type: ignore[return-value]


@tool("t.long")
async def long() -> str:
    """Talks a lot."""
    return "la" * 100_000


@tool("t.beats")
async def beats(stalls: bool, ctx: Context) -> str:
    """Sends a heartbeat, and perhaps does nothing then."""
    ctx.heartbeat(at=1)
    await asyncio.sleep(60 if stalls else 0)
    return "done"


@validator("t.fine")
async def fine(output: Any) -> bool:
    """Likes everything."""
    return True


TOOLS = [
    *(weather, add, slow, hurried, stubborn, deaf, asleep, apart, charge),
    *(key, think, number, leaves, wrong, long, beats, fine),
]
