"""Workers that do what a worker should not, in a module that a child process can import."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from orchestrator.worker import Context, worker

POOL = "test"
finished: list[str] = []
"""What went on after its attempt."""


class Hostile(BaseException):
    """Not even an Exception, and it cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


@worker("m.raise", pool=POOL)
async def raises(kind: str) -> Any:
    raise {
        "hostile": Hostile(),
        "cancelled": asyncio.CancelledError("by myself"),
        "exit": SystemExit(0),
        "interrupt": KeyboardInterrupt(),
        "generator": GeneratorExit(),
        "stop": StopIteration(3),
        "memory": MemoryError(),
        "group": BaseExceptionGroup("two", [ValueError("one"), SystemExit(2)]),
    }[kind]


@worker("m.raise_sync", pool=POOL)
def raises_in_a_thread(kind: str) -> Any:
    raise {"exit": SystemExit(0), "interrupt": KeyboardInterrupt(), "stop": StopIteration(3), "hostile": Hostile()}[
        kind
    ]


@worker("m.give", pool=POOL)
async def give(kind: str) -> Any:
    if kind == "large":
        return {"text": "x" * 50_000_000}
    if kind == "many":
        return list(range(6_000_000))
    circle: dict[str, Any] = {}
    circle["self"] = circle
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    return {"nan": [1.0, float("nan")], "circle": circle, "deep": deep, "bytes": b"\xff\xfe", "key": {(1, 2): 3}}[kind]


@worker("m.mutate", pool=POOL)
async def mutate(input: dict[str, Any], ctx: Context) -> dict[str, Any]:
    input["list"].append("mine")
    if ctx.number == 1:
        raise ConnectionError("after I spoilt my input")
    return input


@worker("m.leak", pool=POOL)
async def leak(how: str = "plain") -> str:
    async def go_on() -> None:
        while True:
            try:
                await asyncio.sleep(0.4)
            except asyncio.CancelledError:
                if how != "deaf":
                    raise
            finished.append(how)
            if how == "deaf":
                return

    if how == "brief":
        task = asyncio.create_task(asyncio.sleep(0.01))
    else:
        task = asyncio.create_task(go_on(), name="left behind")
    await asyncio.sleep(0)
    if how == "raise":
        raise ValueError("and a task is left")
    return task.get_name()


@worker("m.exit_in_task", pool=POOL)
async def exit_in_task(awaited: bool) -> str:
    async def leave() -> None:
        await asyncio.sleep(0)
        sys.exit(0)

    task = asyncio.create_task(leave())
    if awaited:
        await task
    await asyncio.sleep(0.05)
    return "still here"


@worker("m.block", pool=POOL)
async def block(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - what a worker should not do
    return "blocked"


@worker("m.hang", pool=POOL, timeout=0.3)
async def hang() -> None:
    await asyncio.Event().wait()


@worker("m.chatter", pool=POOL)
def chatter(ctx: Context, lines: int, width: int = 10) -> int:
    for number in range(lines):
        ctx.log.info("x" * width, number=number)
        ctx.progress(number / lines, "y" * width)
    return lines


@worker("m.child_chatter", pool=POOL, process=True)
def child_chatter(ctx: Context, lines: int) -> int:
    for number in range(lines):
        ctx.log.info("a line", number=number)
        ctx.heartbeat(at=number)
        ctx.progress(number / lines)
    return lines


@worker("m.child_prints", pool=POOL, process=True)
def child_prints(ctx: Context, megabytes: int, then: str = "") -> int:
    print(f"the key is {ctx.secret('KEY')}", flush=True)
    for _ in range(megabytes * 1024):
        sys.stdout.write("z" * 1023 + "\n")
    sys.stdout.flush()
    if then == "die":
        print("last words: boiler pressure", file=sys.stderr, flush=True)
        os._exit(3)
    return megabytes


@worker("m.child_hog", pool=POOL, process=True, memory_mb=400)
def child_hog(megabytes: int) -> int:
    return len(bytearray(megabytes * 2**20))


@worker("m.child_exit", pool=POOL, process=True)
def child_exit(how: str) -> None:
    if how == "sys":
        sys.exit(0)
    raise KeyboardInterrupt


ALL = [value for value in list(vars(sys.modules[__name__]).values()) if hasattr(value, "card")]
