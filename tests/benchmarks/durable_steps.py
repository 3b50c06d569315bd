"""Durable no-op steps per second: a chain of ten steps, two hundred runs, beside LangGraph with its Postgres saver.

Ours are validated, queued, claimed by a worker and settled; the peer's are function calls between two checkpoints.
Both write every step to the same Postgres server before the next one starts.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from typing_extensions import TypedDict

from orchestrator import Orchestrator, Workflow, worker
from tests.benchmarks.measure import Figure

NAME = "durable no-op steps/s, chain of 10, 200 runs"
RUNS = 200
STEPS = 10
REPETITIONS = 3
PEER_CONNECTIONS = 12


@worker("benchmark.nothing", pool="benchmark", concurrency=64)
async def nothing() -> dict[str, bool]:
    """Do nothing."""
    return {"done": True}


def chain(steps: int) -> Workflow:
    """A workflow of `steps` steps, each after the one before."""
    lines = ["api: orchestrator/v1", "name: chain", "version: 1.0.0", "steps:"]
    for number in range(steps):
        lines += [f"  s{number}:", "    kind: worker", "    worker: benchmark.nothing"]
        if number:
            lines.append(f"    needs: [s{number - 1}]")
    return Workflow.from_yaml("\n".join(lines))


async def ours(app: Orchestrator) -> float:
    """Steps per second of one repetition."""
    workflow = await app.load(chain(STEPS))
    begun = time.perf_counter()
    handles = [await app.submit(workflow, {}) for _ in range(RUNS)]
    results = await asyncio.gather(*(handle.result(timeout=300) for handle in handles))
    elapsed = time.perf_counter() - begun
    assert {result.status for result in results} == {"succeeded"}
    return RUNS * STEPS / elapsed


class PeerState(TypedDict):
    """What the peer's graph carries: as little as ours."""

    done: Annotated[bool, lambda _old, new: new]


def peer_graph(saver: Any) -> Any:
    """The same chain as a plain LangGraph graph, one node a step."""

    async def node(state: PeerState) -> PeerState:
        return {"done": True}

    graph = StateGraph(PeerState)
    names = [f"s{number}" for number in range(STEPS)]
    for name in names:
        graph.add_node(name, node)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph.compile(checkpointer=saver)


async def peer(saver: Any, repetition: int) -> float:
    """Steps per second of one repetition of the peer."""
    graph = peer_graph(saver)
    begun = time.perf_counter()
    await asyncio.gather(
        *(
            graph.ainvoke({"done": False}, {"configurable": {"thread_id": f"{repetition}-{run}"}}, durability="sync")
            for run in range(RUNS)
        )
    )
    return RUNS * STEPS / (time.perf_counter() - begun)


async def measure(app: Orchestrator, peer_url: str) -> list[Figure]:
    """Both, turn about, in one run.

    Args:
        app: opened with `nothing` among its workers.
        peer_url: another database on the same server.
    """
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        peer_url,
        min_size=PEER_CONNECTIONS,
        max_size=PEER_CONNECTIONS,
        open=False,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        mine, theirs = await alternate([lambda _: ours(app), lambda repetition: peer(saver, repetition)], REPETITIONS)
    ratio = statistics.median(mine) / statistics.median(theirs)
    return [
        Figure(NAME, "orchestrator", statistics.median(mine), "steps/s", (min(mine), max(mine)), ratio),
        Figure(
            NAME, "LangGraph + its Postgres saver", statistics.median(theirs), "steps/s", (min(theirs), max(theirs))
        ),
    ]


async def alternate(subjects: list[Callable[[int], Awaitable[float]]], repetitions: int) -> list[list[float]]:
    """Run each subject once a round, so that a drifting machine is fair to all."""
    values: list[list[float]] = [[] for _ in subjects]
    for repetition in range(repetitions):
        for subject, measured in zip(subjects, values, strict=True):
            measured.append(await subject(repetition))
    return values
