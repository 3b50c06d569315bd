"""Growth: bytes stored, rows and CPU per step, for runs and fan-outs of ten to five thousand steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from orchestrator import Orchestrator, Workflow
from tests.benchmarks import system
from tests.benchmarks.generator import fan_out_text, layers, workflow_text
from tests.benchmarks.measure import US, Figure
from tests.benchmarks.peers import langgraph_graphs as langgraph
from tests.benchmarks.stage import CONCURRENCY, Stage

NAME = "growth"
WIDTH = 10
FULL, QUICK = (10, 100, 1_000, 5_000), (10, 100, 200)
LEAST_STEPS = 1_000
"""Small runs are repeated until there are so many steps: below, pages and clock ticks are all that is seen."""
WARM_STEPS = 200
"""Before anything is counted: the first steps of a process cost more, and would make small runs look dear."""
PATIENCE = 900.0

TABLES = """
SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


@dataclass(frozen=True)
class Stored:
    """What a database holds, and what was spent so far."""

    bytes: int
    rows: int
    cpu: float


async def stored(url: str, cpu: float) -> Stored:
    """All tables with their indexes and TOAST, once the dead rows are cleared; freed pages count as used."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM")
        await connection.execute("CHECKPOINT")
        tables = await connection.fetch(TABLES)
        size = await connection.fetchval(
            "SELECT sum(pg_total_relation_size(oid)) FROM unnest($1::oid[]) AS t (oid)", [row["oid"] for row in tables]
        )
        rows = [int(await connection.fetchval(f"SELECT count(*) FROM {row['name']}")) for row in tables]
    finally:
        await connection.close()
    return Stored(int(size), sum(rows), cpu)


Run = Callable[[], Awaitable[None]]
Cpu = Callable[[], float]


@asynccontextmanager
async def ours(stage: Stage, shape: str, steps: int) -> AsyncIterator[tuple[str, Run, Cpu]]:
    """A supervisor process and a worker process; the client's CPU is not counted."""
    worker = ("worker", "--pool", "benchmark", "--concurrency", str(CONCURRENCY))
    async with (
        stage.database() as url,
        stage.project.process(url, "supervisor") as supervisor,
        stage.project.process(url, *worker) as serving,
        Orchestrator.connect(database=url) as app,
    ):
        fan_out = shape == "fan-out"
        text = (
            fan_out_text("benchmark.nothing") if fan_out else workflow_text(layers(steps, WIDTH), "benchmark.nothing")
        )
        workflow = await app.load(Workflow.from_yaml(text))

        async def run() -> None:
            handle = await app.submit(workflow, {"items": list(range(steps))} if fan_out else {})
            result = await handle.result(timeout=PATIENCE)
            assert result.status == "succeeded", result.error

        def cpu() -> float:
            return supervisor.cpu_seconds + serving.cpu_seconds + system.cpu_seconds(stage.postmaster)

        warm = Workflow.from_yaml(workflow_text(layers(WARM_STEPS, WIDTH), "benchmark.nothing"))
        await (await app.submit(warm, {})).result(timeout=PATIENCE)
        yield url, run, cpu


@asynccontextmanager
async def peer(stage: Stage, shape: str, steps: int) -> AsyncIterator[tuple[str, Run, Cpu]]:
    """LangGraph with the official saver, in this process."""
    async with stage.database(migrated=False) as url, langgraph.opened_saver(url) as saver:
        state: dict[str, object] = {"done": False}
        if shape == "fan-out":
            graph, state = langgraph.fan_out_graph(saver), {"items": list(range(steps)), "results": []}
        else:
            graph = langgraph.graph_of(layers(steps, WIDTH), saver)
        turn = iter(range(10_000))

        async def run() -> None:
            await langgraph.run(graph, state, f"run-{next(turn)}")

        def cpu() -> float:
            return system.cpu_seconds(system.OURSELVES) + system.cpu_seconds(stage.postmaster)

        await run()
        yield url, run, cpu


@dataclass(frozen=True)
class PerStep:
    """What one more step costs."""

    bytes: float
    rows: float
    cpu_ms: float


async def per_step(stage: Stage, subject: str, shape: str, steps: int) -> PerStep:
    """Run as often as it takes for a figure, one run after the other."""
    runs = max(1, (LEAST_STEPS // 10 if stage.quick else LEAST_STEPS) // steps)
    async with (ours if subject == US else peer)(stage, shape, steps) as (url, run, cpu):
        before = await stored(url, 0.0)
        spent = cpu()
        for _ in range(runs):
            await run()
        spent = cpu() - spent
        after = await stored(url, spent)
    count = runs * steps
    return PerStep((after.bytes - before.bytes) / count, (after.rows - before.rows) / count, 1000 * after.cpu / count)


async def measure(stage: Stage) -> list[Figure]:
    """Each size on a database of its own, once."""
    sizes = QUICK if stage.quick else FULL
    found: dict[tuple[str, str], dict[int, PerStep]] = defaultdict(dict)
    for steps in sizes:
        for shape in ("run", "fan-out"):
            for subject in (US, langgraph.NAME):
                found[shape, subject][steps] = await per_step(stage, subject, shape, steps)
    figures: list[Figure] = []
    for shape in ("run", "fan-out"):
        mine, theirs = found[shape, US], found[shape, langgraph.NAME]
        for steps in sizes:
            figures += _figures(f"{shape} of {steps:,}", US, mine[steps], theirs[steps])
            figures += _figures(f"{shape} of {steps:,}", langgraph.NAME, theirs[steps], None)
        figures += _flatness(shape, max(sizes), mine, theirs)
    return figures


def _figures(what: str, subject: str, cost: PerStep, beside: PerStep | None) -> list[Figure]:
    """Below 1 is better in all of them, so a ratio is the peer's by ours."""
    figures = []
    for name, unit in (("bytes", "B"), ("rows", ""), ("cpu_ms", "ms")):
        value = getattr(cost, name)
        ratios = {langgraph.NAME: getattr(beside, name) / value} if beside and value else {}
        label = {"bytes": "bytes", "rows": "rows", "cpu_ms": "CPU"}[name]
        figures.append(Figure(f"{label} per step, {what}", subject, value, unit, (value, value), ratios))
    return figures


def _flatness(shape: str, largest: int, mine: dict[int, PerStep], theirs: dict[int, PerStep]) -> list[Figure]:
    """What a step costs in the largest run, by what it costs in one of a hundred."""
    figures = []
    for label, name in (("bytes", "bytes"), ("CPU", "cpu_ms")):
        what = f"{label} per step at {largest:,} ÷ at 100, {shape}"
        grown = {
            subject: getattr(costs[largest], name) / getattr(costs[100], name)
            for subject, costs in ((US, mine), (langgraph.NAME, theirs))
        }
        for subject, value in grown.items():
            ratios = {langgraph.NAME: grown[langgraph.NAME] / value} if subject == US else {}
            figures.append(Figure(what, subject, value, "", (value, value), ratios))
    return figures
