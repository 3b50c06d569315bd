"""Runnables and graphs as workers: what they do inside is in the trace, counted once, and ends with the attempt."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict

from orchestrator.llm import Models
from orchestrator.settings import ModelSettings
from orchestrator.store import Database, attempts
from orchestrator.store.spans import list_spans
from orchestrator.telemetry import Tracing
from orchestrator.testing import ScriptedModel, answer, server_error
from orchestrator.worker import Registry, as_worker, inner_spans
from tests.integration.worker.scene import TENANT, Scene, serving
from tests.integration.worker.specialists import POOL


class State(TypedDict, total=False):
    topic: str
    notes: Annotated[list[str], operator.add]


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a word"


def research(model: ScriptedModel, http: httpx.AsyncClient | None = None) -> Any:
    """A graph: a node with a tool, two nodes beside each other that call models, a node that writes."""
    client = ChatOpenAI(
        model="gpt-plain", base_url=model.base_url, api_key="none", max_retries=0, http_async_client=http
    )
    chain = ChatPromptTemplate.from_template("about {topic}") | client

    async def define(state: State) -> State:
        return {"notes": [await look_up.ainvoke({"word": state["topic"]})]}

    async def plain(state: State) -> State:
        return {"notes": [(await chain.ainvoke({"topic": state["topic"]})).text]}

    async def ours(state: State, config: RunnableConfig) -> State:
        ctx = config["configurable"]["orchestrator"]
        return {"notes": [(await ctx.model("small").ainvoke(state["topic"])).text]}

    graph = StateGraph(State)
    for node in (define, plain, ours):
        graph.add_node(node)
    graph.add_node("write", lambda state: {"notes": [f"{len(state['notes'])} notes"]})
    graph.add_edge(START, "define")
    for node in ("plain", "ours"):
        graph.add_edge("define", node)
        graph.add_edge(node, "write")
    graph.add_edge("write", END)
    return graph.compile()


@asynccontextmanager
async def research_served(scene: Scene, model: ScriptedModel, tmp_path) -> AsyncIterator[None]:
    """The graph as a worker, and a tier of models; every connection is closed at the end."""
    opened: list[Models] = []

    def models(tracing: Tracing) -> Models:
        settings = ModelSettings(model="scripted", base_url=model.base_url)
        opened.append(Models({"small": settings}, state_dir=tmp_path, tracing=tracing, environ=model.environ))
        return opened[0]

    async with httpx.AsyncClient(trust_env=False) as http:
        worker = as_worker("g.research", research(model, http), pool=POOL)
        async with serving(scene, registry=Registry([worker]), models=models):
            yield
        await opened[0].aclose()


async def tree_of(scene: Scene, database: Database, attempt_id) -> dict[str, list[str]]:
    """The names of the spans of an attempt, by the name of the span that they stand below."""
    spans = [span for span in await list_spans(database, scene.run_id, tenant=TENANT) if span.attempt_id == attempt_id]
    name_of = {span.span_id: span.name for span in spans}
    found: dict[str, list[str]] = {}
    for span in sorted(spans, key=lambda span: span.name):
        found.setdefault(name_of.get(span.parent_id, ""), []).append(span.name)
    return found


async def test_nodes_tools_and_models_are_spans_below_the_attempt(scene: Scene, database: Database, tmp_path):
    with ScriptedModel([answer("one", input_tokens=100, output_tokens=10)] * 2) as model:
        async with research_served(scene, model, tmp_path):
            row = await scene.outcome("g.research", {"topic": "tea"})
            output = await scene.output(row)
    assert output["notes"] == ["tea is a word", "one", "one", "3 notes"]
    assert (row.input_tokens, row.output_tokens, row.model_calls) == (200, 20, 2), "each call is counted once"
    assert await tree_of(scene, database, row.id) == {
        "": ["attempt g.research"],
        "attempt g.research": ["node define", "node ours", "node plain", "node write"],
        "node define": ["execute_tool look_up"],
        "node ours": ["chat scripted"],
        "node plain": ["chat gpt-plain", "node ChatPromptTemplate"],
    }


async def test_a_node_that_fails_and_a_model_that_does_are_errors_in_the_trace(scene: Scene, database, tmp_path):
    with ScriptedModel([server_error(), server_error()]) as model:
        async with research_served(scene, model, tmp_path):
            row = await scene.outcome("g.research", {"topic": "tea"})
    assert (row.status, row.error.error_class) == ("failed", "server_error")
    spans = {span.name: span for span in await list_spans(database, scene.run_id, tenant=TENANT)}
    assert spans["node define"].status == "ok"
    assert "error" in {spans["node plain"].status, spans["node ours"].status}
    assert "node write" not in spans
    assert row.model_calls >= 1


async def test_a_cancellation_reaches_the_nodes_and_ends_their_spans(scene: Scene, database: Database):
    stopped = asyncio.Event()

    async def wait(value: Any) -> Any:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise

    graph = StateGraph(State)
    graph.add_node("wait", wait)
    graph.add_edge(START, "wait")
    worker = as_worker("g.wait", graph.compile(), pool=POOL)
    async with serving(scene, registry=Registry([worker])):
        identity = await scene.order("g.wait", {"topic": "tea"})
        await scene.started(identity)
        async with database.transaction() as connection:
            await attempts.cancel_attempts(connection, scene.run_id)
        row = await scene.ended(identity)
    assert row.status == "cancelled"
    assert stopped.is_set()
    (span,) = [each for each in await list_spans(database, scene.run_id, tenant=TENANT) if each.name == "node wait"]
    assert span.status == "error"


async def test_a_graph_with_a_checkpointer_begins_afresh_in_each_attempt(scene: Scene):
    def count(state: State, config: RunnableConfig) -> State:
        if config["configurable"]["orchestrator"].number == 1:
            raise ConnectionError("once")
        return {"notes": ["done"]}

    graph = StateGraph(State)
    graph.add_node("begin", lambda state: {"notes": ["begun"]})
    graph.add_node(count)
    graph.add_edge(START, "begin")
    graph.add_edge("begin", "count")
    worker = as_worker("g.kept", graph.compile(checkpointer=InMemorySaver()), pool=POOL)
    async with serving(scene, registry=Registry([worker])):
        first = await scene.outcome("g.kept", {"topic": "tea"})
        second = await scene.outcome("g.kept", {"topic": "tea"}, number=2)
        assert (await scene.output(second))["notes"] == ["begun", "done"]
    assert first.error.error_class == "connection"


async def test_a_graph_that_waits_for_a_person_fails_and_says_what_to_do(scene: Scene):
    graph = StateGraph(State)
    graph.add_node("ask", lambda state: {"notes": [interrupt("may I?")]})
    graph.add_edge(START, "ask")
    worker = as_worker("g.ask", graph.compile(checkpointer=InMemorySaver()), pool=POOL)
    async with serving(scene, registry=Registry([worker])):
        row = await scene.outcome("g.ask", {"topic": "tea"})
    assert (row.status, row.error.code) == ("failed", "interrupted")
    assert "kind: human" in row.error.message


async def test_a_loop_without_end_has_so_many_spans_and_no_more(scene: Scene, database: Database, monkeypatch):
    monkeypatch.setattr(inner_spans, "MOST", 10)

    async def many(value: Any) -> int:
        for _ in range(30):
            await RunnableLambda(lambda each: each, name="each").ainvoke(1)
        return 30

    worker = as_worker("g.many", RunnableLambda(many), pool=POOL)
    async with serving(scene, registry=Registry([worker])):
        row = await scene.outcome("g.many", {})
        events = [each.event.data for each in await scene.events(row.id)]
    spans = [each for each in await list_spans(database, scene.run_id, tenant=TENANT) if each.name == "node each"]
    assert len(spans) == 10
    assert any("20 spans inside were not kept" in data.get("message", "") for data in events)


async def test_what_they_take_and_give_is_known_as_far_as_they_say(scene: Scene):
    def count(words: list[str]) -> int:
        return len(words)

    with ScriptedModel([]) as model:
        graph = as_worker("g.research", research(model), pool=POOL)
        client = ChatOpenAI(model="m", base_url=model.base_url, api_key="none")
    chain = as_worker("g.chain", ChatPromptTemplate.from_template("{topic}, {tone}") | client)
    plain = as_worker("g.count", RunnableLambda(count), pool=POOL)
    silent = as_worker("g.silent", RunnableLambda(lambda value: value["x"]))
    assert set(graph.card.input_schema["properties"]) == {"topic", "notes"}
    assert graph.card.input_schema["additionalProperties"] is False
    assert "required" not in graph.card.input_schema
    assert chain.card.input_schema["required"] == ["tone", "topic"]
    assert chain.card.output_schema is None
    assert plain.card.input_schema["type"] == "array"
    assert plain.card.output_schema["type"] == "integer"
    assert (silent.card.input_schema, silent.card.output_schema) == (None, None)
    async with serving(scene, registry=Registry([graph, plain])):
        row = await scene.outcome("g.research", {"topics": "tea"})
        assert (row.status, row.error.code) == ("failed", "wrong_input")
        assert "topics" in row.error.message
        assert (await scene.outcome("g.count", "one", step="t")).error.code == "wrong_input"
