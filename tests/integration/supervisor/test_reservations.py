"""Reservations: what an attempt may use is set aside before it begins, so that nothing side by side goes too far."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Context, Orchestrator, Workflow, worker
from orchestrator.settings import DatabaseSettings, Settings, WorkerSettings
from orchestrator.supervisor import graph, reserving
from orchestrator.supervisor.demands import demand_of
from orchestrator.supervisor.dispatch import dispatch
from orchestrator.testing import ScriptedModel, answer_json, answer_tool, server_error
from tests.integration.supervisor.scene import flow, until

OUTPUT = "output: {type: object, required: [text], properties: {text: {type: string}}}"
RETRY = "retry: {max_attempts: 3, backoff: {initial: 10ms, max: 20ms}}"


def agent(name: str, more: str = "", model: str = "large") -> str:
    """A step that asks a model once."""
    return f"  {name}: {{kind: agent, model: {model}, prompt: say something, {OUTPUT}{more}}}\n"


COUNT = 80
CHAIN = agent("one") + agent("two", ", needs: [one]")
PRICES = {"max_tokens": 100, "input_price": 1.0}
"""Of an answer that costs 0.01 USD from `large`, and 0.001 from `small`; a prompt is 0.0002 at the most."""


class Model:
    """Answers with all the tokens that it may, and counts how many calls are under way."""

    def __init__(self, seconds: float = 0.0, *, fails: int = 0) -> None:
        self.seconds, self.fails = seconds, fails
        self.now = self.peak = 0
        self._count = itertools.count(1)
        self._lock = threading.Lock()

    def __call__(self, request: Any) -> object:
        with self._lock:
            self.now += 1
            self.peak = max(self.peak, self.now)
            number = next(self._count)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
        if self.fails and number % self.fails == 0:
            return server_error()
        return answer_json({"text": "x", "reasons": [], "quotes": [], "abstain": False, "score": 1.0},
                           input_tokens=100, output_tokens=100)  # fmt: skip


@worker("look.up")
async def look_up(word: str) -> str:
    """What a word means."""
    return f"{word} means nothing"


@worker("ask.often")
async def ask_often(ctx: Context) -> None:
    """Call a model by itself, more often than it should."""
    for _ in range(9):
        await ctx.model("large").ainvoke("say something")


@asynccontextmanager
async def modelled(
    database_url: str, folder: Path, reply: Callable[[Any], object], **unlike: Any
) -> AsyncIterator[tuple[Orchestrator, ScriptedModel]]:
    """An app with two tiers, of which `large` is ten times as dear."""
    with ScriptedModel(reply_to=reply) as model:
        tiers = {
            "large": model.settings("m-large", output_price=100.0, **PRICES),
            "small": model.settings("m-small", output_price=10.0, **PRICES),
            **{name: model.settings(**fields) for name, fields in unlike.items()},
        }
        settings = Settings(
            root=folder,
            database=DatabaseSettings(url=database_url),
            models=tiers,
            worker=WorkerSettings(concurrency=50),
        )
        environ = {"OPENAI_API_KEY": "sk-for-tests"}
        async with Orchestrator.open(folder, settings=settings, environ=environ, workers=[look_up, ask_often]) as app:
            yield app, model


async def test_a_tenth_of_a_dollar_is_not_overspent_by_work_for_five(database_url, tmp_path):
    """400 items and 10 child runs with 10 calls each, all side by side, at 0.01 USD a call; each seventh call fails."""
    each = agent("each", f", foreach: {{items: '${{{{ inputs.list }}}}', as: it}}, {RETRY}")
    inputs = "inputs: {list: {type: array}, runs: {type: array, default: []}}"
    (tmp_path / "child.yaml").write_text(f"api: orchestrator/v1\nname: child\n{inputs}\nsteps:\n{each}")
    call = (
        "  call: {kind: workflow, uses: ./child.yaml, budget: {usd: 0.03, on_exceed: fail},"
        " with: {list: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]},"
        " foreach: {items: '${{ inputs.runs }}', as: it, on_item_error: collect}}\n"
    )
    parent = tmp_path / "parent.yaml"
    budget = "budget: {usd: 0.10, on_exceed: fail}"
    parent.write_text(f"api: orchestrator/v1\nname: parent\n{inputs}\n{budget}\nsteps:\n{call}{each}")
    busy = Model(0.05, fails=7)
    async with modelled(database_url, tmp_path, busy) as (app, model):
        handle = await app.submit(parent, {"list": list(range(400)), "runs": list(range(10))})
        result = await handle.result(timeout=50)
        assert busy.peak > 1
        paid = len(model.requests) - len(model.requests) // 7
    print(f"budget 0.10, spent {result.cost:.4f} in {paid} calls, {busy.peak} at once")
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")
    assert 0.05 < result.cost <= 0.10
    assert result.cost == pytest.approx(paid * 0.0101)


async def test_what_does_not_fit_beside_others_waits_for_them(database_url, tmp_path):
    busy = Model(0.1)
    steps = agent("each", ", foreach: {items: [1, 2, 3, 4, 5, 6], as: it}")
    async with modelled(database_url, tmp_path, busy) as (app, model):
        result = await app.run(flow(steps, "budget: {usd: 0.0625, on_exceed: fail}"))
        assert len(model.requests) == 6
    assert (result.status, busy.peak <= 6) == ("succeeded", True)
    assert result.cost == pytest.approx(0.0606)


async def test_two_that_do_not_fit_together_go_one_after_the_other(database_url, tmp_path):
    busy = Model(0.1)
    async with modelled(
        database_url, tmp_path, busy, spare={"max_tokens": 900, "input_price": 1, "output_price": 100}
    ) as (
        app,
        _,
    ):
        steps = agent("one", model="spare") + agent("two", model="spare")  # each may use 0.09, and uses 0.01
        result = await app.run(flow(steps, "budget: {usd: 0.11, on_exceed: fail}"))
    assert (result.status, busy.peak) == ("succeeded", 1)


async def test_tokens_are_reserved_too(database_url, tmp_path):
    busy = Model()
    async with modelled(database_url, tmp_path, busy) as (app, model):
        result = await app.run(flow(CHAIN, "budget: {tokens: 500, on_exceed: fail}"))
        assert len(model.requests) == 1
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")
    assert "200 of 500 tokens are spent" in result.error.message


async def test_a_cheaper_model_is_taken_where_the_own_one_does_not_fit(database_url, tmp_path):
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        handle = await app.submit(flow(CHAIN, "budget: {usd: 0.012, on_exceed: downgrade}"))
        result = await handle.result(timeout=30)
        asked = [request.body["model"] for request in model.requests]
        options = {row.step: row.options for row in (await handle.trace()).attempts}
    assert (result.status, asked) == ("succeeded", ["m-large", "m-small"])
    assert (options["two"]["model"], options["two"]["instead_of"]) == ("small", "large")


async def test_a_run_pauses_where_no_model_fits_and_goes_on_with_more(database_url, tmp_path):
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        handle = await app.submit(flow(CHAIN, "budget: {usd: 0.0112, on_exceed: downgrade}"))
        (question,) = await until(handle.questions)
        shown = question.shown
        assert (len(model.requests), question.step) == (1, "")
        assert shown["reason"].startswith("the next attempt of step 'two' may use 0.010")
        assert shown["reason"].endswith("0.0101 of 0.0112 USD are spent")
        assert shown["spent"]["usd"] == pytest.approx(0.0101) and shown["needed"]["usd"] > 0.01
        await handle.answer(value={"decision": "continue"}, by="anna")
        result = await handle.result(timeout=30)
        assert [request.body["model"] for request in model.requests] == ["m-large", "m-large"]
    assert result.status == "succeeded"


async def test_a_budget_that_has_no_room_for_the_first_call_asks_nobody(database_url, tmp_path):
    steps = agent("one") + "finally:\n" + agent("tell", ", budget: {usd: 0.02, on_exceed: fail}")
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        handle = await app.submit(flow(steps, "budget: {usd: 0.01, on_exceed: fail}"))
        result = await handle.result(timeout=30)
        rows = {row.step: row.status for row in (await handle.trace()).steps}
        assert len(model.requests) == 1
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")
    assert rows == {"one": "cancelled", "tell": "succeeded"}


async def test_more_that_is_not_enough_asks_again_and_stop_ends_it(database_url, tmp_path):
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        handle = await app.submit(flow(CHAIN, "budget: {usd: 0.0112}"))
        await until(handle.questions)
        await handle.answer(value={"decision": "continue", "usd": 0.001})

        async def again() -> Any:
            found = await handle.questions()
            return found and found[0].shown["budget"]["usd"] > 0.0112

        await until(again)
        await handle.answer(value={"decision": "stop"})
        result = await handle.result(timeout=30)
        assert len(model.requests) == 1
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")


async def test_the_budget_of_a_step_bounds_each_attempt(database_url, tmp_path):
    steps = agent("dear", ", budget: {usd: 0.005, on_exceed: fail}")
    steps += agent("cheap", ", budget: {usd: 0.005, on_exceed: downgrade}")
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        handle = await app.submit(flow(steps))
        result = await handle.result(timeout=30)
        rows = {row.step: row for row in (await handle.trace()).steps}
        assert [request.body["model"] for request in model.requests] == ["m-small"]
    assert (rows["dear"].error.code, rows["cheap"].status, result.status) == ("budget_exceeded", "succeeded", "failed")
    assert "more than the step's budget allows" in rows["dear"].error.message


async def test_turns_with_tools_end_with_the_allowance(database_url, tmp_path):
    step = agent("look", ", tools: [look.up], max_turns: 20, budget: {usd: 0.035}")

    def calls(_: Any) -> object:
        return replace(answer_tool("look.up", {"word": "x"}), input_tokens=100, output_tokens=100)

    async with modelled(database_url, tmp_path, calls) as (app, model):
        result = await app.run(flow(step, "budget: {usd: 0.04, on_exceed: fail}"))
        assert len(model.requests) == 3
    assert result.error.code == "allowance_exceeded"
    assert result.error.message.startswith(
        "step look: the attempt's share of the budget is used up after 3 calls (0.0303"
    )
    assert result.cost == pytest.approx(0.0303)


async def test_the_calls_of_a_worker_end_with_the_budget_of_its_step(database_url, tmp_path):
    steps = "".join(f"  {name}: {{kind: worker, worker: ask.often, budget: {{usd: 0.025}}}}\n" for name in ("a", "b"))
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        handle = await app.submit(flow(steps, "budget: {usd: 0.05, on_exceed: fail}"))
        result = await handle.result(timeout=30)
        errors = [row.error.code for row in (await handle.trace()).steps]
        assert len(model.requests) == 4
    assert errors == ["allowance_exceeded", "allowance_exceeded"]
    assert result.cost == pytest.approx(0.0404)


async def test_child_runs_without_a_budget_go_one_after_the_other(database_url, tmp_path):
    (tmp_path / "child.yaml").write_text(f"api: orchestrator/v1\nname: child\nsteps:\n{CHAIN}")
    calls = "".join(f"  call{n}: {{kind: workflow, uses: ./child.yaml}}\n" for n in (1, 2))
    parent = tmp_path / "parent.yaml"
    parent.write_text(f"api: orchestrator/v1\nname: parent\nbudget: {{usd: 0.035, on_exceed: fail}}\nsteps:\n{calls}")
    busy = Model(0.1)
    async with modelled(database_url, tmp_path, busy) as (app, model):
        result = await app.run(parent)
        assert len(model.requests) == 3
    assert (result.status, result.error.code, busy.peak) == ("failed", "budget_exceeded", 1)
    assert result.cost == pytest.approx(0.0303)


async def test_a_judge_reserves_too(database_url, tmp_path):
    judged = ", validate: [{name: fit, judge: {model: large, rubric: is it fit?, votes: 3}}]"
    async with modelled(database_url, tmp_path, Model()) as (app, model):
        steps = agent("one", judged)
        refused = await app.run(flow(steps, "budget: {usd: 0.03, on_exceed: fail}"))
        assert len(model.requests) == 1
        result = await app.run(flow(steps, "budget: {usd: 0.06, on_exceed: fail}"))
    assert (refused.error.code, result.status) == ("budget_exceeded", "succeeded")
    assert result.cost == pytest.approx(0.0404)


async def test_a_model_without_a_price_is_not_asked_under_a_budget_in_usd(database_url, tmp_path):
    async with modelled(database_url, tmp_path, Model(), odd={"model": "nobody-sells-this"}) as (app, model):
        step = agent("one", model="odd")
        result = await app.run(flow(step, "budget: {usd: 1}"))
        assert model.requests == []
        assert (await app.run(flow(step, "budget: {tokens: 100000}"))).status == "succeeded"
    assert result.error.code == "budget_exceeded"
    assert "no price is known for nobody-sells-this" in result.error.message


async def test_what_is_called_back_before_it_began_gives_back_what_it_held(database_url, tmp_path):
    steps = agent("one", ", pool: nobody, timeout: {total: 500ms}")
    steps += agent("two", ", when: inputs.go")
    text = flow(steps, "budget: {usd: 0.0112, on_exceed: fail}\ninputs: {go: {type: boolean, default: true}}")
    async with modelled(database_url, tmp_path, Model()) as (app, _):
        handle = await app.submit(text)
        result = await handle.result(timeout=30)
        rows = {row.step: row for row in (await handle.trace()).steps}
    assert (rows["one"].error.code, rows["two"].status, result.status) == ("total_timeout", "succeeded", "failed")


async def test_a_lost_attempt_holds_what_it_may_have_used(database_url, tmp_path):
    step = agent("one", ", " + RETRY)
    async with modelled(database_url, tmp_path, Model(1.0)) as (app, model):
        handle = await app.submit(flow(step, "budget: {usd: 0.0112}"))

        async def asked() -> bool:
            return len(model.requests) == 1

        await until(asked)
        expire = "UPDATE attempts SET lease_until = now() - interval '1 second' WHERE status = 'running'"
        await app.database.execute(expire)
        (question,) = await until(handle.questions)
        assert question.shown["reason"].endswith("0.0000 of 0.0112 USD are spent and 0.0102 held for lost attempts")
        assert question.shown["reserved"]["usd"] == pytest.approx(0.0102, abs=0.0002)
        await handle.answer(value={"decision": "continue"})
        result = await handle.result(timeout=40)
    assert (result.status, result.cost <= 0.0203) == ("succeeded", True)


async def test_what_is_reserved_is_known_after_a_takeover(database_url, tmp_path):
    """The first process leaves while two calls are under way, and another item waits for what those hold."""
    slow = Model(1.0)
    steps = agent("each", ", foreach: {items: [1, 2, 3, 4], as: it}")
    text: Workflow = flow(steps, "budget: {usd: 0.024, on_exceed: fail}")
    async with modelled(database_url, tmp_path, slow) as (app, model):
        handle = await app.submit(text)

        async def begun() -> bool:
            return len(model.requests) == 2

        await until(begun)
        run = handle.id
        (known,) = [moment.account async for moment in handle.history()][-1:]
        assert known is not None and known.reserved.open == 2
        assert known.reserved.held.usd == pytest.approx(0.0204, abs=0.0004)
    quick = Model()
    async with modelled(database_url, tmp_path, quick) as (app, model):
        result = await (await app.handle(run)).result(timeout=40)
        asked = len(model.requests)
    assert (result.status, result.error.code) == ("failed", "budget_exceeded")
    assert asked <= 2 and result.cost <= 0.024


async def test_of_a_long_foreach_one_item_waits_for_room_and_the_others_behind_it(database_url, tmp_path, monkeypatch):
    asked, most_held, written = 0, 0, 0

    async def counted(*given, **named):
        nonlocal asked
        asked += 1
        return await demand_of(*given, **named)

    async def watched(draft):
        nonlocal most_held, written
        await dispatch(draft)
        most_held, written = max(most_held, len(draft.held_up)), written + len(draft.items)

    monkeypatch.setattr(reserving, "demand_of", counted)
    monkeypatch.setattr(graph, "dispatch", watched)
    steps = agent("each", ", foreach: {items: '${{ inputs.list }}', as: it}")
    file = tmp_path / "long.yaml"
    file.write_text(
        "api: orchestrator/v1\nname: long\ninputs: {list: {type: array}}\n"
        f"budget: {{usd: 0.05, on_exceed: fail}}\nsteps:\n{steps}"
    )

    def cheap(request):
        return answer_json({"text": "x"}, input_tokens=1, output_tokens=1)

    async with modelled(database_url, tmp_path, cheap) as (app, _):
        result = await (await app.submit(file, {"list": list(range(COUNT))})).result(timeout=50)
    assert result.status == "succeeded", result.error
    assert most_held <= 1
    assert asked <= 3 * COUNT, "each item is asked for again and again"
    assert written <= 5 * COUNT, "items that wait are written again and again"
