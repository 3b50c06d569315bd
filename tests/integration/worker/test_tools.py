"""Agents with tools: a real runtime on a real database, the real client, and a scripted server."""

from __future__ import annotations

import json
import os
import threading
from importlib import import_module

import pytest

from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.llm import Models
from orchestrator.settings import ModelSettings
from orchestrator.testing import ScriptedModel, answer, answer_pieces, answer_tool, answer_tools, server_error
from orchestrator.worker import Registry
from tests.integration.worker import toolsmith
from tests.integration.worker.scene import Scene, eventually, serving

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}

PLAIN = {"number": 1, "timeout": None, "idle": None}


@pytest.fixture
async def agent(scene: Scene, tmp_path):
    """Runs one agent attempt with tools against a script; gives its row."""
    toolsmith.reset()
    import_module("orchestrator.worker.agent_loop")  # what the first agent with tools pays, no timeout of a test should

    async def run(model: ScriptedModel, *tools: str, schema=SCHEMA, environ=None, wait=True, **options):
        settings = ModelSettings(model="scripted", base_url=model.base_url, input_price=1.0, output_price=2.0)
        models = Models({"small": settings}, state_dir=tmp_path, environ=model.environ)
        try:
            async with serving(scene, models=models, registry=Registry(toolsmith.TOOLS), environ=environ):
                value = {"prompt": "What is it?", "system": None, "schema": schema, "with": {}}
                changes = {key: options.pop(key, other) for key, other in PLAIN.items()}
                given = {"model": "small", "tools": list(tools), "max_turns": 8, **options}
                order = await scene.order(AGENT_WORKER, value, options=given, **changes)
                return await scene.ended(order) if wait is True else await wait(order)
        finally:
            await models.aclose()

    return run


def told(model: ScriptedModel, request: int = -1) -> list[str]:
    """What the model was told of its calls."""
    return [each["content"] for each in model.requests[request].messages if each["role"] == "tool"]


async def events(scene: Scene, row, kind: str) -> list[dict]:
    return [each.event.data for each in await scene.events(row.id) if each.event.kind == kind]


async def test_a_worker_and_a_function_as_tools_over_several_turns(scene: Scene, agent):
    script = [
        answer_tool("t.weather", {"city": "Rome"}, text="Let me look."),
        answer_tool("t.add", {"a": 4, "b": 38}),
        {"n": 42},
    ]
    with ScriptedModel(script) as model:
        row = await agent(model, "t.weather", "t.add")
    assert await scene.output(row) == {"n": 42}
    assert [json.loads(each) for each in told(model)] == [{"degrees": 4, "sky": "clear"}, 42]
    assert (row.model_calls, row.input_tokens) == (3, 30)
    assert row.cost_usd == pytest.approx((row.input_tokens + 2 * row.output_tokens) / 1e6)
    definitions = {each["function"]["name"]: each["function"] for each in model.requests[0].body["tools"]}
    assert set(definitions) == {"t-weather", "t-add"}
    assert definitions["t-weather"]["description"].endswith("Cities are named in English.")
    assert definitions["t-add"]["parameters"]["required"] == ["a", "b"]
    assert all(each.body["response_format"]["type"] == "json_schema" for each in model.requests)
    calls = await events(scene, row, "attempt.tool")
    assert [(each["tool"], each["turn"], each["outcome"]) for each in calls] == [
        ("t.weather", 1, "succeeded"),
        ("t.add", 2, "succeeded"),
    ]
    assert json.loads(calls[0]["arguments"]) == {"city": "Rome"}
    texts = await events(scene, row, "attempt.text")
    assert [(each["turn"], each["text"]) for each in texts] == [(1, "Let me look."), (3, '{"n": 42}')]
    kinds = [each.event.kind for each in await scene.events(row.id)]
    said = [kind for kind in kinds if kind in ("attempt.text", "attempt.tool")]
    assert said == ["attempt.text", "attempt.tool", "attempt.tool", "attempt.text"]


@pytest.mark.parametrize(
    ("call", "outcome", "word"),
    [
        (answer_tool("t.weather", {"city": "Atlantis"}), "failed", "no city called Atlantis"),
        (answer_tool("t.weather", {"town": "Rome"}), "failed", "unknown 'town'"),
        (answer_tool("t.weather", '{"city": '), "failed", "not valid JSON"),
        (answer_tool("t.weather", '{"city": "Ro'), "failed", "not valid JSON"),
        (answer_tool("t.weather", "[1]"), "failed", "not a JSON object"),
        (answer_tool("t.hurried"), "timed_out", "not done after 0.1s"),
        (answer_tool("t.leaves"), "failed", "sys.exit(3)"),
        (answer_tool("t.wrong"), "failed", "expected int, got str"),
        (answer_tool("t.add", {"a": 1, "b": 2}), "refused", "no tool 't-add' here; there are: t-weather"),
        (answer_tool("os.system", {"command": "true"}), "refused", "no tool 'os-system' here"),
        (answer_tool("t.fine", {"output": 1}), "refused", "no tool 't-fine' here"),
    ],
)
async def test_what_goes_wrong_with_a_tool_is_told_to_the_model_which_goes_on(scene: Scene, agent, call, outcome, word):
    with ScriptedModel([call, answer_tool("t.weather", {"city": "Oslo"}), {"n": 4}]) as model:
        row = await agent(model, "t.weather", "t.hurried", "t.leaves", "t.wrong")
    assert await scene.output(row) == {"n": 4}
    assert told(model, 1)[0].startswith("Error: ") and word in told(model, 1)[0]
    first, second = await events(scene, row, "attempt.tool")
    assert (first["outcome"], second["outcome"]) == (outcome, "succeeded")
    assert word in first["error"]["message"]
    assert toolsmith.CALLS["add"] == 0


async def test_calls_of_one_turn_run_together_within_bounds(scene: Scene, agent):
    many = answer_tools(*[answer_tool("t.slow", {"name": f"n{number}"}) for number in range(20)])
    with ScriptedModel([many, {"n": 20}]) as model:
        row = await agent(model, "t.slow")
    assert await scene.output(row) == {"n": 20}
    assert told(model) == [f"n{number}" for number in range(20)]
    assert 2 <= toolsmith.PEAK["slow"] <= 8


async def test_a_model_that_never_answers_has_no_valid_output(scene: Scene, agent):
    with ScriptedModel(reply_to=lambda _: answer_tool("t.add", {"a": 1, "b": 1})) as model:
        row = await agent(model, "t.add", max_turns=3)
    assert (row.status, row.error.error_class) == ("failed", "invalid_output")
    assert "no answer after 3 turns" in row.error.message
    assert (len(model.requests), row.model_calls, toolsmith.CALLS["add"]) == (3, 3, 3)


async def test_a_final_answer_that_is_no_json_is_invalid(agent):
    with ScriptedModel([answer_tool("t.add", {"a": 1, "b": 1}), "It is two."]) as model:
        row = await agent(model, "t.add")
    assert row.error.error_class == "invalid_output" and "not valid JSON" in row.error.message


async def test_without_a_schema_the_answer_is_the_text(scene: Scene, agent):
    with ScriptedModel([answer_tool("t.add", {"a": 1, "b": 1}), "It is two."]) as model:
        row = await agent(model, "t.add", schema=None)
    assert await scene.output(row) == {"text": "It is two."}
    assert "response_format" not in model.requests[0].body


async def test_a_failed_call_of_the_model_is_what_it_always_is(agent):
    with ScriptedModel([answer_tool("t.add", {"a": 1, "b": 1}), server_error()]) as model:
        row = await agent(model, "t.add")
    assert (row.status, row.error.error_class, row.model_calls) == ("failed", "server_error", 2)


async def test_a_tool_this_process_does_not_know_is_a_clear_error(agent):
    with ScriptedModel() as model:
        row = await agent(model, "t.add", "t.elsewhere")
        assert model.requests == []
    assert row.error.error_class == "unknown_worker"
    assert "no tool called 't.elsewhere'" in row.error.message


async def test_dependencies_models_children_and_secrets_of_tools(scene: Scene, agent):
    turn = answer_tools(
        answer_tool("t.number"), answer_tool("t.apart", {"n": 4}), answer_tool("t.key"), answer_tool("t.think")
    )
    replies = {"What is it?": [turn, {"n": 1}], "What do you think?": [answer("Nothing.", input_tokens=100)]}

    def by_prompt(request):
        users = [each["content"] for each in request.messages if each["role"] == "user"]
        return replies[users[0]].pop(0)

    with ScriptedModel(reply_to=by_prompt) as model:
        tools = ("t.number", "t.apart", "t.key", "t.think")
        row = await agent(model, *tools, environ={"HOUSE_KEY": "hunter22"}, secrets=["HOUSE_KEY"])
    assert await scene.output(row) == {"n": 1}
    number, apart, key, think = told(model)
    assert number == "7" and think == "Nothing."
    assert json.loads(apart)["twice"] == 8 and json.loads(apart)["pid"] != os.getpid()
    assert key == "the key is [redacted]"
    assert (row.model_calls, row.input_tokens) == (3, 120)
    assert "Nothing." not in str(await events(scene, row, "attempt.text"))  # a tool's own model is not the agent's
    assert "hunter22" not in str([each.event for each in await scene.events(row.id)])


async def test_a_result_that_is_larger_than_any_output_is_an_error(agent):
    with ScriptedModel([answer_tool("t.long"), {"n": 1}]) as model:
        await agent(model, "t.long")
    assert "has 200,002 bytes; the limit is 4,000" in told(model)[0]


async def test_a_long_result_is_cut_for_the_model(scene: Scene, agent):
    scene.settings = scene.settings.model_copy(update={"max_output_bytes": 1_000_000})
    with ScriptedModel([answer_tool("t.long"), {"n": 1}]) as model:
        await agent(model, "t.long")
    [result] = told(model)
    assert len(result) < 51_000 and "[cut: 200,000 characters" in result


async def test_an_effect_is_kept_by_tool_and_arguments_and_not_done_again_by_the_next_attempt(scene: Scene, agent):
    with ScriptedModel([answer_tool("t.charge", {"amount": 5}), answer_tool("t.charge", {"amount": 6}), "oh"]) as model:
        first = await agent(model, "t.charge")
    assert first.status == "failed" and toolsmith.CALLS["charge"] == 2
    with ScriptedModel([answer_tool("t.charge", {"amount": 5}), {"n": 5}]) as model:
        toolsmith.CALLS.clear()
        second = await agent(model, "t.charge", number=2)
    assert await scene.output(second) == {"n": 5}
    assert toolsmith.CALLS["charge"] == 0
    assert "charged 5 under s-key/t.charge/" in told(model)[0]


async def test_an_effect_in_doubt_ends_the_attempt_and_is_not_left_to_the_model(agent):
    again = answer_tool("t.charge", {"amount": 13})
    with ScriptedModel([again, again, {"n": 1}]) as model:
        row = await agent(model, "t.charge")
        assert model.left == 1
    assert "line went dead" in told(model)[0]
    assert (row.status, row.error.error_class) == ("failed", "in_doubt")
    assert toolsmith.CALLS["charge"] == 1


@pytest.mark.parametrize(("name", "arguments"), [("slow", {"name": "x", "seconds": 60}), ("stubborn", {"seconds": 60})])
async def test_a_timeout_in_the_midst_of_a_call_stops_it(scene: Scene, agent, name, arguments):
    with ScriptedModel([answer_tool(f"t.{name}", arguments)]) as model:
        row = await agent(model, f"t.{name}", timeout=1.5)
    assert row.status == "timed_out"
    assert toolsmith.RUNNING[name] == 0
    [call] = await events(scene, row, "attempt.tool")
    assert call["outcome"] == "cancelled"


async def test_no_attempt_ends_before_its_tools_have(agent):
    with ScriptedModel([answer_tool("t.deaf", {"seconds": 3})]) as model:
        row = await agent(model, "t.deaf", timeout=1.5)
    assert row.status == "timed_out"
    assert toolsmith.RUNNING["deaf"] == 0
    assert row.finished_at - row.claimed_at >= 2.9


async def test_a_tool_in_a_process_of_its_own_is_killed_when_its_time_is_over(scene: Scene, agent, tmp_path):
    with ScriptedModel([answer_tool("t.asleep", {"path": str(tmp_path / "pid")}), {"n": 1}]) as model:
        row = await agent(model, "t.asleep")
    assert await scene.output(row) == {"n": 1}
    assert "not done after 6s" in told(model)[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_the_idle_timer_is_a_tool_s_and_ends_with_it(scene: Scene, agent):
    go_on = threading.Event()
    threading.Timer(1.5, go_on.set).start()
    script = [answer_tool("t.beats", {"stalls": False}), answer_pieces("It ", "was slow.", held=go_on)]
    with ScriptedModel(script) as model:
        row = await agent(model, "t.beats", schema=None, idle=0.3)
    assert await scene.output(row) == {"text": "It was slow."}


async def test_a_tool_that_goes_silent_is_found_by_the_idle_timer(agent):
    with ScriptedModel([answer_tool("t.beats", {"stalls": True})]) as model:
        row = await agent(model, "t.beats", idle=0.3)
    assert row.status == "timed_out" and "no heartbeat for 0.3s" in row.error.message


async def test_text_is_told_while_the_model_still_speaks(scene: Scene, agent):
    go_on = threading.Event()

    async def while_it_speaks(order):
        async def text():
            return [each for each in await scene.events(order) if each.event.kind == "attempt.text"]

        [first] = await eventually(text)
        assert first.event.data == {"turn": 2, "text": "Once upon "}
        assert (await scene.row(order)).status == "running"
        go_on.set()
        return await scene.ended(order)

    script = [answer_tool("t.add", {"a": 1, "b": 1}), answer_pieces("Once upon ", "a ", "time.", held=go_on)]
    with ScriptedModel(script) as model:
        row = await agent(model, "t.add", schema=None, wait=while_it_speaks)
    assert await scene.output(row) == {"text": "Once upon a time."}
    assert "".join(each["text"] for each in await events(scene, row, "attempt.text")) == "Once upon a time."


async def test_a_secret_that_comes_in_two_pieces_is_in_no_event(scene: Scene, agent):
    go_on = threading.Event()

    async def while_it_speaks(order):
        async def text():
            return [each for each in await scene.events(order) if each.event.kind == "attempt.text"]

        [first] = await eventually(text)
        assert first.event.data["text"] == "The key is "
        go_on.set()
        return await scene.ended(order)

    with ScriptedModel([answer_pieces("The key is hunt", "er22, keep it.", held=go_on)]) as model:
        row = await agent(
            model, schema=None, wait=while_it_speaks, environ={"HOUSE_KEY": "hunter22"}, secrets=["HOUSE_KEY"]
        )
    texts = [each["text"] for each in await events(scene, row, "attempt.text")]
    assert "".join(texts) == "The key is [redacted], keep it."
    assert not any("hunt" in text for text in texts)


async def test_many_tokens_become_few_events(scene: Scene, agent):
    with ScriptedModel(["word " * 1_000]) as model:
        row = await agent(model, schema=None)
    texts = await events(scene, row, "attempt.text")
    assert "".join(each["text"] for each in texts) == "word " * 1_000
    assert len(texts) < 20
