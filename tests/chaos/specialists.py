"""The chaos suite's workers, copied into its project: they use the public API alone."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from pydantic import BaseModel

from orchestrator import Context, validator, worker


class Unlucky(Exception):
    """A retry may help."""


class Task(BaseModel):
    """What a step is asked for.

    Attributes:
        seconds: how long it takes.
        trouble: so many tries fail, or so many revisions are refused.
        count: where a repeat stands.
    """

    seconds: float = 0.0
    trouble: int = 0
    count: int = 0


class Done(BaseModel):
    """What it gives."""

    count: int = 0
    trouble: int = 0
    revision: int = 0


@worker("chaos.nap", pool="labour")
async def nap(input: Task) -> Done:
    """Take a while."""
    await asyncio.sleep(input.seconds)
    return Done(count=input.count + 1)


@worker("chaos.thread", pool="labour")
def thread(input: Task) -> Done:
    """Take a while in a thread."""
    time.sleep(input.seconds)
    return Done(count=input.count + 1)


@worker("chaos.flaky", pool="labour", retry_on=(Unlucky,))
async def flaky(input: Task, ctx: Context) -> Done:
    """Fail at first."""
    await asyncio.sleep(input.seconds)
    if ctx.number <= input.trouble:
        raise Unlucky(f"try {ctx.number}")
    return Done()


@worker("chaos.broken", pool="labour")
async def broken(input: Task) -> Done:
    """Fail for good."""
    await asyncio.sleep(input.seconds)
    raise ValueError("this step is meant to fail")


@worker("chaos.effect", pool="labour")
async def effect(input: Task, ctx: Context) -> Done:
    """Write a line into a file that nothing protects but the effect ledger."""
    async with ctx.effect("line") as done:
        if not done.confirmed:
            await asyncio.sleep(input.seconds / 2)
            _write(ctx, "line")
            await asyncio.sleep(input.seconds / 2)
            done.confirm(ctx.number)
    return Done(count=input.count + 1)


@worker("chaos.draft", pool="labour")
async def draft(input: Task, ctx: Context) -> Done:
    """Something that a judge may refuse."""
    await asyncio.sleep(input.seconds)
    return Done(trouble=input.trouble, revision=ctx.options["revision"])


@validator("chaos.judge", pool="judges")
async def judge(output: Done, ctx: Context) -> bool:
    """Refuse the first drafts."""
    await asyncio.sleep(0.01)
    return output.revision >= output.trouble


def _write(ctx: Context, key: str) -> None:
    """Append a line at once, so that no kill can leave half of it."""
    iteration = ctx.options.get("iteration", 1)
    place = key if iteration == 1 else f"{key}#{iteration}"
    file = os.open(Path(os.environ["CHAOS_EFFECTS"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{ctx.run_id} {ctx.step} {ctx.item} {place} {ctx.number}\n".encode())
    finally:
        os.close(file)
