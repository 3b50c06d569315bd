"""Backpressure: too few connections, or too little room, make work wait, and nothing else."""

from __future__ import annotations

import asyncio
import gc

from orchestrator.supervisor.context import RunContext
from tests.integration.supervisor.scene import Scene, flow, opened

SAY = """
  say: {kind: worker, worker: t.say, with: {text: said}}
  more: {kind: worker, worker: t.say, needs: [say], with: {text: more}}
"""


async def finished(scene: Scene, count: int) -> None:
    """Run so many, submitted together, to their end."""
    workflow = await scene.app.load(flow(SAY))
    handles = await asyncio.gather(*(scene.app.submit(workflow) for _ in range(count)))
    results = await asyncio.gather(*(handle.result(timeout=50) for handle in handles))
    assert {result.status for result in results} == {"succeeded"}
    assert scene.calls == {"said": count, "more": count}, "something ran twice"


async def test_two_connections_carry_three_hundred_runs(database_url, tmp_path, caplog):
    async with opened(database_url, tmp_path, pool_size=2) as scene:
        await finished(scene, 300)
        attempts = await scene.app.database.fetch("SELECT status, number FROM attempts")
    assert {(row["status"], row["number"]) for row in attempts} == {("succeeded", 1)}
    assert "declared dead" not in caplog.text
    assert "waits" not in caplog.text


async def test_a_full_supervisor_takes_the_next_run_when_one_ends(database_url, tmp_path):
    async with opened(database_url, tmp_path, max_runs=10) as scene:
        most = 0

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, await scene.app.database.fetchval("SELECT count(*) FROM runs WHERE owner IS NOT NULL"))
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        await finished(scene, 100)
        watching.cancel()
        jobs = await scene.app.database.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'run'")
        gc.collect()
        assert sum(type(each) is RunContext for each in gc.get_objects()) < 40
    assert most == 10
    assert jobs <= 100, "jobs pile up"
