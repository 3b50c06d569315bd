"""`try_worker` tells everything that a worker said and did, and how an attempt of it would end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from langchain_core.runnables import RunnableLambda

from orchestrator import Context, Verdict, as_worker, validator, worker
from orchestrator.testing import LogLine, ScriptedModel, answer, try_worker


@worker("t.talk")
async def talk(ctx: Context, pages: int = 2) -> dict[str, Any]:
    for page in range(pages):
        ctx.heartbeat(page=page)
        ctx.progress(page / pages, f"page {page}")
        ctx.log.info("read", page=page)
    async with ctx.effect("mail") as mail:
        if not mail.confirmed:
            mail.confirm({"sent": ctx.idempotency_key})
    return {"number": ctx.number, "before": ctx.last_heartbeat, "mail": mail.result}


@worker("t.fail", retry_on=(LookupError,))
async def fail(how: str, ctx: Context) -> int:
    if how == "effect":
        async with ctx.effect("charge"):
            raise LookupError("lost while charging")
    if how == "type":
        return "three"  # type: ignore[return-value]
    raise SystemExit(3)


@worker("t.spin")
def spin(ctx: Context) -> None:
    while True:
        time.sleep(0.005)
        ctx.check_stopped()


@worker("t.leak")
async def leak() -> int:
    asyncio.create_task(asyncio.sleep(60), name="left")  # noqa: RUF006 - that is the point
    return 1


@worker("t.ask")
async def ask(ctx: Context) -> str:
    return (await ctx.model("small").ainvoke("hi")).text


@validator("t.short")
def short(output: str, ctx: Context) -> Verdict:
    return Verdict(len(output) <= ctx.input["most"], "too long")


async def test_everything_that_is_said_and_done_is_told() -> None:
    trial = await try_worker(talk, number=2, last_heartbeat={"page": 0}, idempotency_key="k7")
    assert trial.error is None
    assert trial.output == trial.result == {"number": 2, "before": {"page": 0}, "mail": {"sent": "k7"}}
    assert trial.heartbeats == [{"page": 0}, {"page": 1}]
    assert trial.progress == [(0.0, "page 0"), (0.5, "page 1")]
    assert trial.logs == [LogLine("info", "read", {"page": 0}), LogLine("info", "read", {"page": 1})]
    assert (trial.effects["mail"].state, trial.effects["mail"].result) == ("confirmed", {"sent": "k7"})
    assert trial.leaks == []


async def test_what_earlier_attempts_did_can_be_given() -> None:
    assert (await try_worker(talk, confirmed={"mail": "long ago"})).output["mail"] == "long ago"
    doubted = await try_worker(talk, in_doubt=["mail"])
    assert doubted.error is not None
    assert doubted.error.error_class == "in_doubt"


async def test_a_failure_is_told_as_it_would_be_stored() -> None:
    lost = await try_worker(fail, how="effect")
    assert lost.error is not None
    assert (lost.error.code, lost.error.error_class) == ("lookup", "retryable")
    assert lost.effects["charge"].state == "in_doubt"
    for given, code in (({"how": "type"}, "wrong_type"), ({"how": "exit"}, "system_exit"), ({"who": 1}, "wrong_input")):
        trial = await try_worker(fail, given)
        assert trial.error is not None
        assert (trial.error.code, trial.output) == (code, None)


async def test_a_cancellation_reaches_the_thread() -> None:
    trial = await try_worker(spin, cancel_after=0.05)
    assert trial.error is not None
    assert trial.error.code == "cancelled"
    assert trial.seconds < 5


async def test_leaks_are_named() -> None:
    (line,) = (await try_worker(leak)).leaks
    assert line.startswith("sleep (")


async def test_a_scripted_models_calls_are_counted() -> None:
    with ScriptedModel([answer("hello", input_tokens=5, output_tokens=2)]) as model:
        trial = await try_worker(ask, models={"small": model})
    assert trial.output == "hello"
    assert (trial.usage.input_tokens, trial.usage.output_tokens, trial.usage.model_calls) == (5, 2, 1)


async def test_validators_and_runnables_can_be_tried_too() -> None:
    judged = await try_worker(short, "four", input={"most": 3})
    assert judged.result == Verdict(False, "too long")
    assert judged.output["passed"] is False
    trial = await try_worker(as_worker("t.double", RunnableLambda(lambda value: value["n"] * 2)), n=4)
    assert trial.output == 8
