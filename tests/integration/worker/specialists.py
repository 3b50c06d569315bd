"""Workers for the runtime's tests, in a module that a child process can import."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from typing import Any

import asyncpg

from orchestrator.errors import SecretMissing
from orchestrator.worker import Context, Invalid, Verdict, validator, worker

POOL = "test"


class Throttled(Exception):
    """Worth another try."""


@worker("r.echo", pool=POOL)
async def echo(input: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return {"input": input, "feedback": list(ctx.feedback), "rejected": ctx.rejected, "key": ctx.idempotency_key}


@worker("r.talk", pool=POOL)
async def talk(ctx: Context, lines: int = 1) -> int:
    ctx.heartbeat(page=7)
    ctx.progress(0.5, "half way")
    for number in range(lines):
        ctx.log.info("line", number=number, secret=ctx.secret("KEY"))
    return lines


@worker("r.leak", pool=POOL)
async def leak(ctx: Context) -> int:
    key = ctx.secret("KEY")
    ctx.heartbeat(cursor=key, pages={"next": f"https://example.org/?key={key}"})
    ctx.progress(0.5, f"with {key}")
    return 1


@worker("r.remember", pool=POOL)
async def remember(ctx: Context) -> Any:
    if ctx.number == 1:
        ctx.heartbeat(page=7)
        raise ConnectionError("gone")
    return ctx.last_heartbeat


@worker("r.raise", pool=POOL, retry_on=(Throttled,))
async def raises(kind: str, ctx: Context) -> int:
    raise {
        "value": ValueError("a bad value"),
        "throttled": Throttled("slow down"),
        "exit": SystemExit(4),
        "secret": ValueError(f"the key is {os.environ.get('NOTHING', 'sesame-open')}"),
        "own": SecretMissing("mine"),
    }[kind]


@worker("r.wrong", pool=POOL)
def wrong() -> int:
    return "three"  # type: ignore[return-value]


@worker("r.large", pool=POOL)
def large() -> str:
    return "x" * 5_000


@worker("r.foreign", pool=POOL)
def foreign() -> Any:
    return object()


@worker("r.sleep", pool=POOL)
async def sleep(seconds: float = 60.0) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@worker("r.idle", pool=POOL)
async def idle(ctx: Context) -> str:
    ctx.heartbeat()
    await asyncio.sleep(60)
    return "never"


@worker("r.spin", pool=POOL)
def spin(ctx: Context) -> str:
    while True:
        time.sleep(0.01)


@worker("r.block", pool=POOL)
async def block(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - what a worker should not do
    return "blocked"


@worker("r.effect", pool=POOL)
async def effect(ctx: Context, confirm: bool = True) -> Any:
    async with ctx.effect("mail") as mail:
        if mail.confirmed:
            return {"before": mail.result}
        if not confirm:
            raise ConnectionError("lost while sending")
        mail.confirm("sent")
    if ctx.number == 1:
        raise ConnectionError("lost after sending")
    return "again"


@worker("r.limited", pool=POOL, concurrency=1)
async def limited(ctx: Context) -> list[float]:
    begin = time.monotonic()
    await asyncio.sleep(0.1)
    return [begin, time.monotonic()]


@worker("r.few", pool=POOL, max_running=3)
async def few(seconds: float = 0.05) -> None:
    await asyncio.sleep(seconds)


@worker("r.paced", pool=POOL, rate="20/s")
async def paced() -> None:
    paces.append(time.monotonic())


paces: list[float] = []
"""When the paced worker's attempts began, on the monotonic clock."""


@worker("r.child", pool=POOL, process=True)
def child(ctx: Context, what: str = "pid") -> Any:
    ctx.heartbeat(step=what)
    ctx.progress(0.3, what)
    ctx.log.info("in the child", pid=os.getpid())
    print("this must not reach standard output of a machine")
    match what:
        case "pid":
            return os.getpid()
        case "raise":
            raise LookupError("nothing there")
        case "exit":
            os._exit(9)
        case "kill":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "effect":
            with ctx.effect("charge") as charge:
                charge.confirm({"paid": 3})
            with ctx.effect("charge") as again:
                return again.result
        case "hang":
            while True:
                sum(range(1000))
        case "database":
            return asyncio.run(name_of(ctx.database_url))
        case "model":
            return ctx.model("small").invoke("hi")
        case _:
            return ctx.secret("KEY")


@worker("r.database", pool=POOL)
async def database_name(ctx: Context) -> Any:
    return await name_of(ctx.database_url)


async def name_of(url: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT current_database()::text")
    finally:
        await connection.close()


@worker("r.stubborn", pool=POOL)
def stubborn(seconds: float = 4.0, mark: str = "") -> str:
    begun[mark] = time.monotonic()
    try:
        threading.Event().wait(seconds)
    finally:
        ended[mark] = time.monotonic()
    return "at last"


begun: dict[str, float] = {}
ended: dict[str, float] = {}
"""When the stubborn worker's code began and ended, by its `mark`, on the monotonic clock."""


@validator("r.short", pool=POOL)
async def short(output: str, ctx: Context) -> Verdict:
    if output == "explode":
        raise RuntimeError("cannot judge")
    if output == "":
        raise Invalid("there is nothing")
    limit = ctx.input["limit"]
    return Verdict(len(output) <= limit, f"longer than {limit}", score=1 / max(len(output), 1))


ALL = [value for value in list(vars(sys.modules[__name__]).values()) if hasattr(value, "card")]
