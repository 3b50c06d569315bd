"""A disk that is slow, or stands still for a while: work waits, nobody is taken for dead, nothing runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.server import Server
from tests.integration.supervisor.scene import Scene, flow, opened

RUNS = 30
FLUSH = 0.1
"""Seconds that every flush of the log takes here: `commit_delay` makes its leader sleep before each."""

STEPS = """
  first: {kind: worker, worker: t.say, with: {text: first}}
  then: {kind: worker, worker: t.say, needs: [first], with: {text: then}}
"""
SLOW = ("ALTER SYSTEM SET commit_delay = 100000", "ALTER SYSTEM SET commit_siblings = 0", "SELECT pg_reload_conf()")


async def processes(scene: Scene) -> set[object]:
    """Under which ids the supervisor and the workers serve; one that was declared dead comes back under another."""
    return {row["id"] for row in await scene.app.database.fetch("SELECT id FROM processes")}


async def endings(scene: Scene) -> set[tuple[str, int]]:
    """How the attempts ended, each with its number."""
    return {tuple(row) for row in await scene.app.database.fetch("SELECT DISTINCT status, number FROM attempts")}


@contextmanager
def still(data_dir: Path) -> Iterator[None]:
    """All processes of a server stand still while the block lasts."""
    postmaster = int((data_dir / "postmaster.pid").read_text().split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    everyone = [postmaster, *map(int, children)]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)


async def test_where_each_flush_takes_a_tenth_of_a_second_flushes_are_shared(server_folder, tmp_path):
    with Server.opened(server_folder) as server:
        async with server.database() as url:
            connection = await asyncpg.connect(url)
            for statement in SLOW:
                await connection.execute(statement)
            async with opened(url, tmp_path) as scene:
                began = time.monotonic()
                await connection.execute("CREATE TABLE slow ()")
                assert time.monotonic() - began >= FLUSH, "the disk is not slow"
                workflow = await scene.app.load(flow(STEPS))
                handles = await asyncio.gather(*(scene.app.submit(workflow) for _ in range(RUNS)))
                results = await asyncio.gather(*(handle.result(timeout=100) for handle in handles))
                took = time.monotonic() - began
                assert {result.status for result in results} == {"succeeded"}
                assert await endings(scene) == {("succeeded", 1)}
                assert scene.calls == {"first": RUNS, "then": RUNS}
            await connection.close()
    assert took < RUNS * 2 * FLUSH * 5, "one flush for each of a run's commits"


@pytest.mark.slow
async def test_a_disk_that_stands_still_for_longer_than_a_lease_costs_its_time_alone(server_folder, tmp_path):
    with Server.opened(server_folder) as server:
        async with server.database() as url, opened(url, tmp_path) as scene:
            workflow = await scene.app.load(flow(STEPS.replace("t.say, with: {", "t.wait, with: {seconds: 0.3, ")))
            handles = await asyncio.gather(*(scene.app.submit(workflow) for _ in range(20)))
            await asyncio.sleep(0.7)
            before = await processes(scene)
            with still(server_folder / "postgres"):
                await asyncio.sleep(5)  # a lease is 3 s here, a supervisor dead after 2 s
            results = await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
            assert {result.status for result in results} == {"succeeded"}
            assert await processes(scene) == before, "somebody was taken for dead"
            assert {status for status, _ in await endings(scene)} <= {"succeeded", "lost"}
            settled = await scene.app.database.fetch(
                "SELECT run_id, step FROM attempts WHERE status = 'succeeded' GROUP BY 1, 2 HAVING count(*) > 1"
            )
    assert not settled, "a step that had succeeded ran again"
