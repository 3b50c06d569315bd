"""The peer LangGraph: the same work as plain graphs, one node a step, with its own Postgres saver or without one."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from typing_extensions import TypedDict

from tests.benchmarks.generator import Step, Work

NAME = "LangGraph + its Postgres saver"
PLAIN = "LangGraph, no saver"
CONNECTIONS = 12
"""As many as we use."""


class Done(TypedDict):
    """What a graph of steps carries: as little as ours."""

    done: Annotated[bool, lambda _old, new: new]


class Item(TypedDict):
    """What one task of a fan-out is given."""

    item: int


class FanOut(TypedDict):
    """What a fan-out carries: its items, and what became of each."""

    items: list[int]
    results: Annotated[list[bool], operator.add]


@asynccontextmanager
async def opened_saver(url: str) -> AsyncIterator[AsyncPostgresSaver]:
    """The official saver on a pool of its own, in an empty database."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url,
        min_size=CONNECTIONS,
        max_size=CONNECTIONS,
        open=False,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        yield saver


def graph_of(work: Work, saver: Any = None) -> Any:
    """The work as a graph; a node that needs several waits for all of them."""
    graph = StateGraph(Done)
    needed = {need for step in work.steps for need in step.needs}
    for step in work.steps:
        graph.add_node(step.id, _node(step))
        if len(step.needs) > 1:
            graph.add_edge(list(step.needs), step.id)
        else:
            graph.add_edge(step.needs[0] if step.needs else START, step.id)
        if step.id not in needed:
            graph.add_edge(step.id, END)
    return graph.compile(checkpointer=saver)


def _node(step: Step) -> Any:
    async def node(state: Done) -> Done:
        if step.seconds:
            await asyncio.sleep(step.seconds)
        return {"done": True}

    return node


def fan_out_graph(saver: Any) -> Any:
    """One task for each of the `items`, all in one superstep, by `Send`."""

    async def work(state: Item) -> dict[str, list[bool]]:
        return {"results": [True]}

    def spread(state: FanOut) -> list[Send]:
        return [Send("work", {"item": item}) for item in state["items"]]

    graph = StateGraph(FanOut)
    graph.add_node("work", work)
    graph.add_conditional_edges(START, spread, ["work"])
    graph.add_edge("work", END)
    return graph.compile(checkpointer=saver)


async def run(graph: Any, state: dict[str, Any], thread: str) -> None:
    """One run; each superstep is stored before the next one begins."""
    config = {"configurable": {"thread_id": thread}, "recursion_limit": 100_000}
    await graph.ainvoke(state, config, durability="sync")
