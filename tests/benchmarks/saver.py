"""The checkpoint saver alone: `aput` and `aput_writes` of small states, beside the official one."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from orchestrator import AsyncpgSaver
from tests.benchmarks.measure import US, Figure, alternate, figure_of
from tests.benchmarks.peers.langgraph_graphs import CONNECTIONS, opened_saver
from tests.benchmarks.stage import Stage

NAME = "saver writes/s"
OFFICIAL = "langgraph-checkpoint-postgres"
CONCURRENCY = (1, 16, 64)
WRITES = 2_000
"""Calls of one repetition, both kinds together."""


async def thread(saver: BaseCheckpointSaver[Any], name: str, supersteps: int) -> None:
    """What a graph of one small node asks of a saver: a checkpoint and its task's writes, superstep by superstep."""
    config: Any = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
    versions: dict[str, Any] = {}
    for step in range(supersteps):
        versions = {channel: saver.get_next_version(versions.get(channel), None) for channel in ("messages", "count")}
        checkpoint = empty_checkpoint()
        checkpoint["id"] = str(uuid6(clock_seq=step))
        checkpoint["channel_values"] = {"messages": [{"role": "user", "content": "hello"}], "count": step}
        checkpoint["channel_versions"] = versions
        config = await saver.aput(config, checkpoint, {"source": "loop", "step": step, "parents": {}}, versions)
        await saver.aput_writes(config, [("messages", [{"role": "assistant", "content": "hi"}])], f"task-{step}")


async def writes_per_second(saver: BaseCheckpointSaver[Any], concurrency: int, writes: int, name: str) -> float:
    """So many threads at once, each waiting for its own writes only."""
    supersteps = max(1, writes // (2 * concurrency))
    begun = time.perf_counter()
    await asyncio.gather(*(thread(saver, f"{name}-{at}", supersteps) for at in range(concurrency)))
    return 2 * supersteps * concurrency / (time.perf_counter() - begun)


async def measure(stage: Stage) -> list[Figure]:
    """Both on pools of the same size, in turn."""
    writes = 200 if stage.quick else WRITES
    values: dict[tuple[int, str], list[float]] = defaultdict(list)

    async def turn(saver: BaseCheckpointSaver[Any], subject: str) -> None:
        await writes_per_second(saver, CONNECTIONS, 10 * CONNECTIONS, "warm")
        for concurrency in CONCURRENCY:
            name = f"{concurrency}-{len(values[concurrency, subject])}"
            values[concurrency, subject].append(await writes_per_second(saver, concurrency, writes, name))

    async def ours() -> None:
        async with stage.database() as url, AsyncpgSaver.from_conn_string(url) as saver:
            await turn(saver, US)

    async def official() -> None:
        async with stage.database(migrated=False) as url, opened_saver(url) as saver:
            await turn(saver, OFFICIAL)

    await alternate([ours, official], 1 if stage.quick else 5)
    figures = []
    for concurrency in CONCURRENCY:
        mine, theirs = values[concurrency, US], values[concurrency, OFFICIAL]
        name = f"{NAME}, {concurrency} at once"
        ratio = {OFFICIAL: statistics.median(mine) / statistics.median(theirs)}
        figures += [figure_of(name, US, mine, "writes/s", ratio), figure_of(name, OFFICIAL, theirs, "writes/s")]
    return figures
