"""Budgets: what is used is counted, and what goes too far pauses for a person or fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from orchestrator import Orchestrator, RunHandle, worker
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.testing import ScriptedModel, answer_json
from tests.integration.supervisor.scene import flow, opened, until

ASK = """
  {name}:
    kind: agent
    model: small
    {more}
    prompt: say something
    output: {{type: object, required: [text], properties: {{text: {{type: string}}}}}}
"""
CHAIN = "".join(
    ASK.format(name=name, more=more) for name, more in [("one", ""), ("two", "needs: [one]"), ("three", "needs: [two]")]
)


@worker("slow.wait")
async def slowly() -> None:
    """Take a second and a half."""
    await asyncio.sleep(1.5)


@asynccontextmanager
async def modelled(
    database_url: str, folder: Path, calls: int = 3, last: str = "x"
) -> AsyncIterator[tuple[Orchestrator, ScriptedModel]]:
    """An app whose model answers `calls` times, and then once more with `last`; each for 1 USD and 1,000,000 tokens."""
    said = [*["x"] * calls, last]
    with ScriptedModel(
        [answer_json({"text": text}, input_tokens=1_000_000, output_tokens=0) for text in said]
    ) as model:
        tiers = {"small": model.settings(input_price=1.0, output_price=2.0)}
        settings = Settings(root=folder, database=DatabaseSettings(url=database_url), models=tiers)
        environ = {"OPENAI_API_KEY": "sk-for-tests"}
        async with Orchestrator.open(folder, settings=settings, environ=environ, workers=[slowly]) as app:
            yield app, model


async def is_paused(handle: RunHandle) -> bool:
    """Whether a run waits for a person to say more about its budget."""
    return (await handle.row()).status == "paused"


async def paused(handle: RunHandle) -> Any:
    """The question that a paused run asks."""
    await until(lambda: is_paused(handle))
    (question,) = await handle.questions()
    return question


async def test_a_used_up_budget_fails_the_run_and_begins_nothing_more(database_url, tmp_path):
    async with modelled(database_url, tmp_path) as (app, model):
        handle = await app.submit(flow(CHAIN, "budget: {usd: 1.5, on_exceed: fail}"))
        result = await handle.result(timeout=30)
        steps = {row.step: row for row in (await handle.trace()).steps}
        assert len(model.requests) == 2
    assert (result.status, result.error.code, result.cost) == ("failed", "budget_exceeded", 2.0)
    assert result.error.message == "the budget is used up: 2.0000 of 1.5 USD"
    assert [steps[name].status for name in ("one", "two", "three")] == ["succeeded", "succeeded", "cancelled"]
    assert steps["three"].reason == result.error.message


async def test_a_paused_run_goes_on_when_a_person_gives_more(database_url, tmp_path):
    async with modelled(database_url, tmp_path) as (app, model):
        handle = await app.submit(flow(CHAIN, "budget: {tokens: 1000000}"))
        question = await paused(handle)
        assert (question.step, len(model.requests)) == ("", 1)
        assert question.shown["reason"] == "1000000 of 1000000 tokens"
        await handle.answer(value={"decision": "continue", "tokens": 500_000}, by="anna")

        async def again() -> bool:
            return len(model.requests) == 2 and await is_paused(handle)

        await until(again)
        await handle.answer(value={"decision": "continue"})
        result = await handle.result(timeout=30)
    assert result.status == "succeeded"


async def test_a_paused_run_may_be_stopped_and_finally_still_runs(database_url, tmp_path):
    steps = CHAIN + "finally:\n  tell: {kind: agent, model: small, prompt: 'it has ${{ run.status }}'}\n"
    async with modelled(database_url, tmp_path) as (app, model):
        handle = await app.submit(flow(steps, "budget: {usd: 1}"))
        await paused(handle)
        await handle.answer(value={"decision": "stop"})
        result = await handle.result(timeout=30)
        assert len(model.requests) == 2
        assert "it has failed" in model.requests[1].text
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")


async def test_a_paused_run_may_be_cancelled(database_url, tmp_path):
    async with modelled(database_url, tmp_path) as (app, _):
        handle = await app.submit(flow(CHAIN, "budget: {usd: 1}"))
        await paused(handle)
        await handle.cancel()
        assert (await handle.result(timeout=30)).status == "cancelled"


async def test_a_budget_that_the_last_step_reaches_fails_nothing(database_url, tmp_path):
    async with modelled(database_url, tmp_path) as (app, _):
        result = await app.run(flow(CHAIN, "budget: {usd: 3, on_exceed: fail}"))
    assert (result.status, result.cost) == ("succeeded", 3.0)


async def test_a_child_keeps_to_the_tightest_budget_and_its_costs_count_above(database_url, tmp_path):
    (tmp_path / "child.yaml").write_text(f"api: orchestrator/v1\nname: child\nbudget: {{usd: 9}}\nsteps:\n{CHAIN}")
    parent = tmp_path / "parent.yaml"
    parent.write_text(
        "api: orchestrator/v1\nname: parent\nsteps:\n"
        "  call: {kind: workflow, uses: ./child.yaml, budget: {usd: 1.5, on_exceed: fail}}\n"
    )
    async with modelled(database_url, tmp_path) as (app, _):
        result = await app.run(parent)
    assert (result.status, result.error.code, result.cost) == ("failed", "budget_exceeded", 2.0)


async def test_the_wall_time_ends_what_runs(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        steps = "  slow: {kind: worker, worker: t.wait, with: {seconds: 60}}\n"
        result, trace = await scene.run(steps, head="budget: {wall: 700ms, on_exceed: fail}")
        assert scene.running["slow"] == 0
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")
    assert trace.steps[0].status == "cancelled"
    assert result.duration < 15


async def test_the_wall_time_does_not_run_while_people_are_asked(database_url, tmp_path):
    steps = """
  ask: {kind: human, form: {type: object}}
  after: {kind: worker, worker: t.say, needs: [ask], with: {text: on time}}
"""
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps, "budget: {wall: 2s, on_exceed: fail}"))
        await until(handle.questions)
        await asyncio.sleep(2.5)
        await handle.answer(step="ask", value={})
        assert (await handle.result(timeout=20)).status == "succeeded"


async def test_a_child_run_gets_no_more_than_its_parent_has_left(database_url, tmp_path):
    (tmp_path / "child.yaml").write_text(f"api: orchestrator/v1\nname: child\nsteps:\n{CHAIN}")
    parent = tmp_path / "parent.yaml"
    parent.write_text(
        "api: orchestrator/v1\nname: parent\nbudget: {usd: 1.5, on_exceed: fail}\nsteps:\n"
        f"{ASK.format(name='before', more='')}  call: {{kind: workflow, uses: ./child.yaml, needs: [before]}}\n"
    )
    async with modelled(database_url, tmp_path, calls=4) as (app, model):
        result = await app.run(parent)
        assert len(model.requests) == 2
    assert (result.status, result.error.code, result.cost) == ("failed", "budget_exceeded", 2.0)


async def test_a_run_that_was_stopped_is_paused_no_more(database_url, tmp_path):
    steps = CHAIN + "finally:\n  wait: {kind: worker, worker: slow.wait}\n"
    async with modelled(database_url, tmp_path) as (app, _):
        handle = await app.submit(flow(steps, "budget: {usd: 1}"))
        await paused(handle)
        await handle.answer(value={"decision": "stop"})

        async def closing() -> bool:
            rows = {row.step: row.status for row in (await handle.trace()).steps}
            return rows["wait"] == "running"

        await until(closing)
        assert (await handle.row()).status == "running"
        assert await handle.questions() == []
        await handle.cancel()


async def test_the_time_of_a_pause_is_not_that_of_what_it_holds_up(database_url, tmp_path):
    """The first answer is refused just as the budget is used up: its revision waits until a person has answered."""
    step = """
  one:
    kind: agent
    model: small
    prompt: say something
    output: {type: object, required: [text], properties: {text: {enum: [y]}}}
    on_invalid: [{do: revise}]
    timeout: {total: 2s}
"""
    async with modelled(database_url, tmp_path, calls=1, last="y") as (app, _):
        handle = await app.submit(flow(step, "budget: {usd: 1}"))
        await paused(handle)
        await asyncio.sleep(2.5)
        await handle.answer(value={"decision": "continue"})
        assert (await handle.result(timeout=20)).status == "succeeded"
