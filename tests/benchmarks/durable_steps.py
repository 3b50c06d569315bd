"""Durable no-op steps per second, in chains and fan-outs, beside LangGraph with its Postgres saver and a DBOS queue.

Ours are validated, queued, claimed by a worker and settled; LangGraph's are function calls between two checkpoints;
DBOS's are queued and carried out by whoever serves the queue. All write every step to the same Postgres server.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from orchestrator import Orchestrator, Workflow
from tests.benchmarks import generator
from tests.benchmarks.measure import US, Figure, alternate, figure_of
from tests.benchmarks.peers import dbos_queue, langgraph_graphs
from tests.benchmarks.stage import Stage

NAME = "durable no-op steps/s"
TOGETHER, APART = f"{US}, one process", f"{US}, supervisor and worker apart"
DBOS_TOGETHER, DBOS_APART = f"{dbos_queue.NAME}, one process", f"{dbos_queue.NAME}, runs and steps apart"
LANGGRAPH = langgraph_graphs.NAME
REPETITIONS = 3
PATIENCE = 600.0


@dataclass(frozen=True)
class Shape:
    """So many runs at once, of so many steps: a `chain`, or a `fan_out`."""

    kind: str
    runs: int
    steps: int

    @property
    def workflow(self) -> Workflow:
        """As ours."""
        if self.kind == "fan_out":
            return Workflow.from_yaml(generator.fan_out_text("benchmark.nothing"))
        return Workflow.from_yaml(generator.workflow_text(generator.chain(self.steps), "benchmark.nothing"))

    def __str__(self) -> str:
        return f"{self.kind.replace('_', '-')} of {self.steps}, {self.runs} runs"


FULL = (Shape("chain", 200, 10), Shape("fan_out", 20, 100))
QUICK = (Shape("chain", 10, 10), Shape("fan_out", 2, 50))
WARM = (Shape("chain", 4, 5), Shape("fan_out", 1, 10))

Go = Callable[[Shape], Awaitable[float]]
"""Seconds that a shape takes."""


@asynccontextmanager
async def ours(opened: AbstractAsyncContextManager[Orchestrator]) -> AsyncIterator[Go]:
    """We, in one process or in several."""

    async def go(shape: Shape) -> float:
        workflow = await app.load(shape.workflow)
        inputs = {"items": list(range(shape.steps))} if shape.kind == "fan_out" else {}
        begun = time.perf_counter()
        handles = [await app.submit(workflow, inputs) for _ in range(shape.runs)]
        results = await asyncio.gather(*(handle.result(timeout=PATIENCE) for handle in handles))
        elapsed = time.perf_counter() - begun
        assert {result.status for result in results} == {"succeeded"}
        return elapsed

    async with opened as app:
        yield go


@asynccontextmanager
async def langgraph(stage: Stage) -> AsyncIterator[Go]:
    """Plain LangGraph with the official saver, in this process."""
    async with stage.database(migrated=False) as url, langgraph_graphs.opened_saver(url) as saver:
        turn = iter(range(100))

        async def go(shape: Shape) -> float:
            at = next(turn)
            if shape.kind == "fan_out":
                graph = langgraph_graphs.fan_out_graph(saver)
                state: dict[str, object] = {"items": list(range(shape.steps)), "results": []}
            else:
                graph, state = langgraph_graphs.graph_of(generator.chain(shape.steps), saver), {"done": False}
            begun = time.perf_counter()
            await asyncio.gather(*(langgraph_graphs.run(graph, state, f"{at}-{run}") for run in range(shape.runs)))
            return time.perf_counter() - begun

        yield go


@asynccontextmanager
async def dbos(stage: Stage, *, apart: bool) -> AsyncIterator[Go]:
    """DBOS with a queue of steps, in one process or in two."""
    async with stage.database(migrated=False) as url, dbos_queue.opened_dbos(url, apart=apart) as peer:

        async def go(shape: Shape) -> float:
            return await peer.seconds(shape.kind, shape.runs, shape.steps)

        yield go


async def measure(stage: Stage) -> list[Figure]:
    """All, turn about; only the one whose turn it is runs at all."""
    shapes = QUICK if stage.quick else FULL
    values: dict[tuple[Shape, str], list[float]] = defaultdict(list)

    def turn(subject: str, opened: Callable[[], AbstractAsyncContextManager[Go]]) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            async with opened() as go:
                for shape in WARM:
                    await go(shape)
                for shape in shapes:
                    values[shape, subject].append(shape.runs * shape.steps / await go(shape))

        return once

    subjects = [
        turn(TOGETHER, lambda: ours(stage.together())),
        turn(APART, lambda: ours(stage.apart())),
        turn(LANGGRAPH, lambda: langgraph(stage)),
        turn(DBOS_TOGETHER, lambda: dbos(stage, apart=False)),
        turn(DBOS_APART, lambda: dbos(stage, apart=True)),
    ]
    await alternate(subjects, 1 if stage.quick else REPETITIONS)
    return [figure for shape in shapes for figure in _figures(shape, values)]


def _figures(shape: Shape, values: dict[tuple[Shape, str], list[float]]) -> list[Figure]:
    """Ours beside LangGraph, and beside the faster of DBOS's two placements."""
    median = {subject: statistics.median(found) for (of, subject), found in values.items() if of == shape}
    peers = {langgraph_graphs.NAME: median[LANGGRAPH], dbos_queue.NAME: max(median[DBOS_TOGETHER], median[DBOS_APART])}
    return [
        figure_of(
            f"{NAME}, {shape}",
            subject,
            values[shape, subject],
            "steps/s",
            {peer: median[subject] / theirs for peer, theirs in peers.items()}
            if subject in (TOGETHER, APART)
            else None,
        )
        for subject in median
    ]
