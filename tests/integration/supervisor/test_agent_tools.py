"""Agents with tools in a run: seen from outside, while it lasts and after."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator import Context, Orchestrator, tool
from orchestrator.cli.tree import TraceTree
from orchestrator.settings import DatabaseSettings, Settings, TelemetrySettings, WorkerSettings
from orchestrator.testing import ScriptedModel, answer_pieces, answer_tool, answer_tools
from tests.integration.supervisor.scene import flow, until

STEP = """
  ask:
    kind: agent
    model: small
    prompt: How much?
    tools: [t.add, t.wait]
    max_turns: 3
    output: {type: object, required: [n], properties: {n: {type: integer}}}
"""
TEXT = STEP.replace("output: {type: object, required: [n], properties: {n: {type: integer}}}", "description: a text")
WAITING: set[str] = set()


@tool("t.add")
async def add(a: int, b: int, ctx: Context) -> int:
    """The sum of two numbers."""
    ctx.log.info("adding")
    return a + b


@tool("t.wait")
async def wait(name: str) -> str:
    """Waits for a long time."""
    WAITING.add(name)
    try:
        await asyncio.sleep(60)
    finally:
        WAITING.discard(name)
    return name


@asynccontextmanager
async def opened(database_url, folder, model: ScriptedModel, **telemetry: Any) -> AsyncIterator[Orchestrator]:
    settings = Settings(
        root=folder,
        database=DatabaseSettings(url=database_url),
        models={"small": model.settings(input_price=1.0, output_price=2.0)},
        worker=WorkerSettings(lease=3.0, grace=5.0),
        telemetry=TelemetrySettings(**telemetry),
    )
    environ = {"OPENAI_API_KEY": "sk-for-tests"}
    async with Orchestrator.open(folder, settings=settings, environ=environ, workers=[add, wait]) as app:
        yield app


async def test_a_run_s_trace_shows_its_turns_and_tools(database_url, tmp_path):
    script = [answer_tools(answer_tool("t.add", {"a": 1, "b": 2}), answer_tool("t.nothing")), {"n": 3}]
    with ScriptedModel(script) as model:
        async with opened(database_url, tmp_path, model) as app:
            handle = await app.submit(flow(STEP))
            result = await handle.result(timeout=60)
        async with Orchestrator.connect(database=database_url) as app:
            trace = await (await app.handle(handle.id)).trace()
    assert (result.status, trace.attempts[0].model_calls) == ("succeeded", 2)
    assert result.cost == pytest.approx((result.usage.input_tokens + 2 * result.usage.output_tokens) / 1e6)
    spans = sorted(trace.spans, key=lambda span: span.started_at)
    ids = {span.span_id: span.name for span in spans}
    inside = [(span.name, span.status, ids[span.parent_id]) for span in spans if span.parent_id in ids][2:]
    assert sorted(inside) == [
        ("chat scripted", "unset", "invoke_agent ask"),
        ("chat scripted", "unset", "invoke_agent ask"),
        ("execute_tool t-nothing", "error", "invoke_agent ask"),
        ("execute_tool t.add", "ok", "invoke_agent ask"),
    ]
    added = next(span for span in spans if span.name == "execute_tool t.add").attributes
    assert added["gen_ai.operation.name"] == "execute_tool"
    assert added["gen_ai.tool.name"] == "t.add" and added["gen_ai.tool.type"] == "function"
    assert added["gen_ai.tool.call.arguments"] == '{"a": 1, "b": 2}'
    assert added["gen_ai.tool.call.result"] == "3"
    assert added["gen_ai.tool.description"] == "The sum of two numbers."
    [attempt] = [node for step in TraceTree(trace).root().children for node in step.children]
    labels = [node.label for node in attempt.children]
    assert sum(label.startswith("chat scripted") for label in labels) == 2
    assert "execute_tool t.add" in labels
    assert any(label.startswith("execute_tool t-nothing: there is no tool") for label in labels)


async def test_a_client_elsewhere_sees_the_text_while_the_model_still_speaks(database_url, tmp_path):
    go_on = threading.Event()
    script = [answer_tool("t.add", {"a": 1, "b": 2}), answer_pieces("It is ", "three.", held=go_on)]
    said: list[str] = []
    kinds: list[str] = []
    with ScriptedModel(script) as model:
        async with opened(database_url, tmp_path, model) as app, Orchestrator.connect(database=database_url) as client:
            handle = await app.submit(flow(TEXT))
            async with asyncio.timeout(30):
                async for stored in (await client.handle(handle.id)).events():
                    kinds.append(stored.event.kind)
                    if stored.event.kind == "attempt.text":
                        said.append(stored.event.data["text"])
                        go_on.set()  # only what was seen lets the answer go on
            result = await handle.result(timeout=30)
    assert result.status == "succeeded"
    assert said == ["It is ", "three."]
    assert kinds.index("attempt.tool") < kinds.index("attempt.text") < kinds.index("attempt.finished")


async def test_a_cancel_in_the_midst_of_a_call_stops_it(database_url, tmp_path):
    calls = answer_tools(answer_tool("t.wait", {"name": "one"}), answer_tool("t.wait", {"name": "two"}))
    with ScriptedModel([calls]) as model:
        async with opened(database_url, tmp_path, model) as app:
            handle = await app.submit(flow(STEP))

            async def both() -> bool:
                return {"one", "two"} == WAITING

            await until(both)
            await handle.cancel()
            result = await handle.result(timeout=30)
            assert result.status == "cancelled"
            assert not WAITING
            told = [each.event.data async for each in handle.events() if each.event.kind == "attempt.tool"]
    assert [each["outcome"] for each in told] == ["cancelled", "cancelled"]
    assert len(model.requests) == 1


async def test_a_cancel_in_the_midst_of_a_stream_stops_it(database_url, tmp_path):
    with ScriptedModel([answer_pieces("It is ", "three.", held=threading.Event())]) as model:
        async with opened(database_url, tmp_path, model) as app:
            handle = await app.submit(flow(TEXT))
            async for stored in handle.events():
                if stored.event.kind == "attempt.text":
                    await handle.cancel()
            result = await handle.result(timeout=30)
            assert result.status == "cancelled"
            trace = await handle.trace()
    assert [row.status for row in trace.attempts] == ["cancelled"]


async def test_without_contents_no_event_and_no_span_tells_any(database_url, tmp_path):
    script = [answer_tool("t.add", {"a": 4711, "b": "x"}), answer_tool("t.add", {"a": 4711, "b": 1}), "It is 4712."]
    with ScriptedModel(script) as model:
        async with opened(database_url, tmp_path, model, capture_content=False) as app:
            handle = await app.submit(flow(TEXT))
            result = await handle.result(timeout=30)
            events = [each.event async for each in handle.events()]
        async with Orchestrator.connect(database=database_url) as app:
            spans = (await (await app.handle(handle.id)).trace()).spans
    assert result.status == "succeeded"
    tools = [event.data for event in events if event.kind == "attempt.tool"]
    assert [(each["tool"], each["outcome"]) for each in tools] == [("t.add", "failed"), ("t.add", "succeeded")]
    assert tools[0]["error"] == {"code": "wrong_input"}
    assert not any(event.kind == "attempt.text" for event in events)
    assert "471" not in str([event for event in events if event.kind.startswith("attempt.")])
    assert "471" not in str([(span.attributes, span.status_message) for span in spans if "tool" in span.name])


async def test_max_turns_leads_to_a_revision_that_is_told_why(database_url, tmp_path):
    again = answer_tool("t.add", {"a": 1, "b": 2})
    with ScriptedModel([again, again, again, {"n": 3}]) as model:
        async with opened(database_url, tmp_path, model) as app:
            handle = await app.submit(flow(STEP + "    on_invalid: [{do: revise}]\n"))
            result = await handle.result(timeout=60)
    assert result.status == "succeeded"
    assert "no answer after 3 turns" in model.requests[3].text


async def test_the_local_model_says_that_it_cannot_call_tools(tmp_path, database_url):
    pytest.importorskip("xllamacpp")
    from orchestrator.errors import ModelUnavailable
    from orchestrator.llm.call_book import CallBook
    from orchestrator.llm.client import TracedChat
    from orchestrator.settings import ModelSettings

    settings = ModelSettings(provider="local", model="smollm2-135m-instruct")
    book = CallBook(tier="small", settings=settings, server="", on_usage=lambda _: None)
    chat = TracedChat.opened(book, model="smollm2-135m-instruct", base_url="http://127.0.0.1:1", api_key="x")
    with pytest.raises(ModelUnavailable, match="cannot call tools"):
        chat.bind_tools([{"type": "function", "function": {"name": "x", "parameters": {}}}])
