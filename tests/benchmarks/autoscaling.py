"""Two pools under a burst with `orchestrator up`: `python -m tests.benchmarks.autoscaling --plot docs/autoscaling.png`.

200 runs are submitted at once. Each does five slow pieces of work and then five quick ones, so 1,000 attempts of the
pool `slow` are due at once, and those of `quick` come as the slow ones settle.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from orchestrator import Orchestrator, Workflow
from tests.benchmarks.stage import Stage

POOLS = ("slow", "quick")
SECONDS = {"slow": 1.0, "quick": 0.01}
RUNS, PIECES = 200, 5
PATIENCE = 180.0
LOOK = 0.25

CONFIG = """
scaling:
  default: {min: 0, max: 6, target_wait: 2, cool_down: 15, concurrency: 8}
  pools: {slow: {}, quick: {}}
"""
STEP = """
  {pool}:
    kind: worker
    worker: benchmark.sleep
    pool: {pool}
    {needs}
    foreach: {{items: "${{{{ inputs.pieces }}}}", as: piece}}
    with: {{seconds: {seconds}}}
"""
LOOK_AT = """
SELECT pool,
       (SELECT count(*) FROM orchestrator.attempts a
        WHERE a.pool = asked.pool AND a.status = 'queued' AND a.not_before <= now()) AS queued,
       (SELECT coalesce(extract(epoch FROM now() - min(a.not_before)), 0)::float8 FROM orchestrator.attempts a
        WHERE a.pool = asked.pool AND a.status = 'queued' AND a.not_before <= now()) AS wait,
       (SELECT count(*) FROM orchestrator.processes p WHERE asked.pool = ANY (p.pools)) AS processes
FROM unnest($1::text[]) AS asked (pool)
"""
WAITS = "SELECT extract(epoch FROM claimed_at - not_before)::float8 FROM orchestrator.attempts WHERE pool = $1"
FIRST = "SELECT extract(epoch FROM min(claimed_at) - min(not_before)) FROM orchestrator.attempts WHERE pool = 'slow'"


@dataclass(frozen=True)
class Sample:
    """A pool at one moment, `at` seconds after the burst."""

    at: float
    queued: int
    wait: float
    processes: int


@dataclass
class Course:
    """What was measured: samples by pool, waits of all attempts by pool, and when the last run had ended."""

    samples: dict[str, list[Sample]]
    waits: dict[str, list[float]]
    done: float
    first: float = 0.0
    """Seconds from the first attempt of `slow` to its claim: a look, the start of a process, and the claim."""


async def measure(stage: Stage) -> Course:
    """Start `up`, wait for its supervisor, let the burst go, and watch until no pool has a process any more."""
    (stage.project.root / "configs").mkdir()
    (stage.project.root / "configs/default.yaml").write_text(CONFIG)
    options = [word for pool in POOLS for word in ("--pool", pool)]
    async with stage.database() as url, stage.project.command(url, "up", *options) as (running, log):
        connection = await asyncpg.connect(url)
        try:
            course = await _watch(connection, url)
        finally:
            await connection.close()
        print(await asyncio.to_thread(log.read_text))
        assert running.poll() is None, "`orchestrator up` ended"
        return course


async def _watch(connection: asyncpg.Connection, url: str) -> Course:
    course = Course({pool: [] for pool in POOLS}, {}, 0.0)

    async def look(since: float) -> dict[str, Sample]:
        rows = await connection.fetch(LOOK_AT, POOLS)
        at = time.monotonic() - since
        found = {row["pool"]: Sample(at, row["queued"], row["wait"], row["processes"]) for row in rows}
        for pool, sample in found.items():
            course.samples[pool].append(sample)
        return found

    async def until(holds: Callable[[dict[str, Sample]], bool], since: float) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds(await look(since)):  # noqa: ASYNC110 - rows that other processes write
                await asyncio.sleep(LOOK)

    supervisor = "SELECT count(*) FROM orchestrator.processes WHERE kind = 'supervisor'"
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval(supervisor):  # noqa: ASYNC110
            await asyncio.sleep(LOOK)
    async with Orchestrator.connect(database=url) as client:
        begun = time.monotonic()
        ending = asyncio.create_task(_burst(client))
        await until(lambda _: ending.done(), begun)
        await ending
        course.done = time.monotonic() - begun
    await until(lambda found: not any(each.processes for each in found.values()), begun)
    for pool in POOLS:
        course.waits[pool] = [row[0] for row in await connection.fetch(WAITS, pool)]
    course.first = float(await connection.fetchval(FIRST))
    return course


async def _burst(client: Orchestrator) -> None:
    steps = "".join(
        STEP.format(pool=pool, seconds=SECONDS[pool], needs=f"needs: [{before}]" if before else "")
        for pool, before in zip(POOLS, ("", "slow"), strict=True)
    )
    text = "api: orchestrator/v1\nname: burst\nversion: 1.0.0\ninputs: {pieces: {type: array}}\nsteps:" + steps
    workflow = Workflow.from_yaml(text)
    inputs = {"pieces": list(range(PIECES))}
    handles = [await client.submit(workflow, inputs) for _ in range(RUNS)]
    results = await asyncio.gather(*(handle.result(timeout=PATIENCE) for handle in handles))
    assert all(result.status == "succeeded" for result in results)


def figures(course: Course) -> str:
    """What was measured, as lines."""
    attempts = sum(map(len, course.waits.values()))
    alone = len(course.waits["slow"]) * SECONDS["slow"] / 8
    lines = [
        f"{attempts} attempts in {course.done:.1f} s; one process of `slow` would need {alone:.0f} s",
        f"first claim {course.first:.1f} s after the first attempt, from no process",
        f"no process in either pool again after {course.samples['slow'][-1].at:.1f} s",
    ]
    for pool in POOLS:
        waits, samples = course.waits[pool], course.samples[pool]
        most = max(sample.processes for sample in samples)
        first = next((sample.at for sample in samples if sample.processes == most), 0.0)
        lines.append(
            f"{pool}: {min(s.processes for s in samples)} to {most} processes (there after {first:.1f} s); queue wait "
            f"p50 {statistics.median(waits):.2f} s, p95 {statistics.quantiles(waits, n=20)[-1]:.2f} s"
        )
    return "\n".join(lines)


def draw(course: Course, file: Path) -> None:
    """Depth, processes and wait over time, one line a pool."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(9, 7.5), constrained_layout=True)
    rows: Sequence[tuple[str, str]] = (
        ("queued", "queued attempts"),
        ("processes", "worker processes"),
        ("wait", "oldest one waits, s"),
    )
    for axis, (field, label) in zip(axes, rows, strict=True):
        for pool, colour in zip(POOLS, ("#c2410c", "#1d4ed8"), strict=True):
            samples = course.samples[pool]
            values = [getattr(sample, field) for sample in samples]
            style = {"where": "post"} if field == "processes" else {}
            plot = axis.step if field == "processes" else axis.plot
            plot([sample.at for sample in samples], values, color=colour, label=pool, linewidth=1.8, **style)
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
        axis.axvline(course.done, color="#6b7280", linestyle=":", linewidth=1.2)
    axes[0].annotate(
        "last run ended", (course.done, 0.9), (6, 0), ("data", "axes fraction"), "offset points", fontsize=9
    )
    axes[0].legend(title="pool", frameon=False)
    axes[-1].axhline(2.0, color="#6b7280", linestyle="--", linewidth=1)
    axes[-1].annotate(
        "target_wait", (0.995, 2.0), (0, 4), ("axes fraction", "data"), "offset points", ha="right", fontsize=9
    )
    axes[-1].set_xlabel("seconds after 200 runs (2,000 attempts) were submitted at once")
    axes[0].set_title("orchestrator up: the pool that is behind grows, the other stays at one, both shrink to none")
    figure.savefig(file, dpi=110)


def main() -> int:
    """Measure, print the figures, and draw them where a file is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.autoscaling", description=__doc__)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a PNG")
    options = parser.parse_args()
    with Stage.opened(quick=False) as stage:
        course = asyncio.run(measure(stage))
    print(figures(course))
    if options.plot is not None:
        draw(course, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
