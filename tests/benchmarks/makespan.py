"""Makespan: seeded uneven graphs of forty steps, as a ratio to the critical path, beside plain LangGraph."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

from orchestrator import Orchestrator, Workflow
from tests.benchmarks.generator import Work, critical_path, layers, uneven, with_barriers, workflow_text
from tests.benchmarks.measure import US, Figure, alternate, figure_of
from tests.benchmarks.peers import langgraph_graphs as langgraph
from tests.benchmarks.stage import Stage

NAME = "makespan ÷ critical path"


async def measure(stage: Stage) -> list[Figure]:
    """One graph at a time: ours on a supervisor process and a worker process, the peer's in this one."""
    works = [uneven(seed, 12 if stage.quick else 40) for seed in range(2 if stage.quick else 10)]
    mine: list[list[float]] = []
    theirs: list[list[float]] = []

    async def ours() -> None:
        async with stage.apart() as app:
            await _run(app, layers(20, 10))
            mine.append([await _run(app, work) / critical_path(work) for work in works])

    async def peer() -> None:
        theirs.append([await _peer(work) / critical_path(work) for work in works])

    await alternate([ours, peer], 1 if stage.quick else 2)
    barriers = [with_barriers(work) / critical_path(work) for work in works]
    figures = []
    for what, fold in (("mean", statistics.mean), ("worst", max)):
        figures += _figures(f"{NAME}, {what} of {len(works)}", fold, mine, theirs)
        figures.append(
            figure_of(f"{NAME}, {what} of {len(works)}", "a barrier a round, calculated", [fold(barriers)], "")
        )
    return figures


def _figures(
    name: str, fold: Callable[[Iterable[float]], float], mine: list[list[float]], theirs: list[list[float]]
) -> list[Figure]:
    ours, peers = [fold(ratios) for ratios in mine], [fold(ratios) for ratios in theirs]
    ratio = {langgraph.PLAIN: statistics.median(peers) / statistics.median(ours)}
    return [figure_of(name, US, ours, "", ratio), figure_of(name, langgraph.PLAIN, peers, "")]


async def _run(app: Orchestrator, work: Work) -> float:
    timed = any(step.seconds for step in work.steps)
    text = workflow_text(work, "benchmark.sleep" if timed else "benchmark.nothing")
    workflow = await app.load(Workflow.from_yaml(text))
    begun = time.perf_counter()
    result = await app.run(workflow, {})
    assert result.status == "succeeded", result.error
    return time.perf_counter() - begun


async def _peer(work: Work) -> float:
    graph = langgraph.graph_of(work)
    begun = time.perf_counter()
    await graph.ainvoke({"done": False}, {"recursion_limit": 1_000})
    return time.perf_counter() - begun
