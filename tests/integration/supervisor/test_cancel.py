"""A cancel is confirmed: then no attempt of the run, nor of its children, runs or could run; and it takes moments."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from orchestrator import RunHandle, RunTrace
from tests.integration.supervisor.scene import Scene, flow, opened, until
from tests.integration.supervisor.test_parking import ASK, CHILD, parked
from tests.integration.supervisor.test_stopping import child_of
from tests.integration.worker.specialists import POOL, child

OPEN = ("queued", "waiting", "running")
NAP = "  nap: {kind: worker, worker: t.wait, with: {seconds: 30, text: nap}}\n"
AT_ONCE = 3.0
"""Seconds. It was 0.08 to 0.37 on two cores that did much else."""


async def cancelled(handle: RunHandle, record_property: Any) -> RunTrace:
    """Cancel a run; its rows once that is confirmed. How long it took goes into the report."""
    begun = time.perf_counter()
    await handle.cancel()
    result = await handle.result(timeout=20)
    took = time.perf_counter() - begun
    record_property("seconds", round(took, 3))
    print(f"confirmed after {took:.3f} s")
    trace = await handle.trace()
    assert result.status == "cancelled"
    assert not [row for row in trace.attempts if row.status in OPEN]
    assert took < AT_ONCE
    return trace


async def test_running_work(database_url, tmp_path, record_property):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(NAP))
        await until(lambda: scene.at_work("nap"))
        trace = await cancelled(handle, record_property)
        assert scene.running["nap"] == 0
    assert [row.status for row in trace.attempts] == ["cancelled"]


async def test_queued_work(database_url, tmp_path, record_property):
    work = "foreach: {items: [0, 1, 2], as: n}, with: {seconds: 30, text: many}, pool: nobody"
    steps = f"  many: {{kind: worker, worker: t.wait, {work}}}\n"
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow(steps))

        async def queued() -> bool:
            return len((await handle.trace()).attempts) == 3

        await until(queued)
        trace = await cancelled(handle, record_property)
        assert scene.calls["many"] == 0
    assert [row.status for row in trace.attempts] == ["cancelled"] * 3


async def test_a_run_that_nobody_has_taken(database_url, tmp_path, record_property):
    async with opened(database_url, tmp_path, max_runs=1) as scene:
        first = await scene.app.submit(flow(NAP))
        await until(lambda: scene.at_work("nap"))
        waiting = await scene.app.submit(flow(NAP))
        await waiting.cancel()
        await cancelled(first, record_property)
        assert (await waiting.result(timeout=20)).status == "cancelled"
        assert (await waiting.trace()).attempts == []


async def test_work_in_a_process_of_its_own(database_url, tmp_path, record_property):
    steps = f"  hang: {{kind: worker, worker: r.child, pool: {POOL}, with: {{what: hang}}}}\n"
    async with opened(database_url, tmp_path, more=[child]) as scene:
        handle = await scene.app.submit(flow(steps))
        pid = await until(lambda: _pid(scene, handle))
        await cancelled(handle, record_property)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def _pid(scene: Scene, handle: RunHandle) -> int | None:
    logged = "SELECT (data -> 'fields' ->> 'pid')::int FROM events WHERE run_id = $1 AND kind = 'attempt.log'"
    pid: int | None = await scene.app.database.fetchval(logged, handle.id)
    return pid


async def test_a_parked_run(database_url, tmp_path, record_property):
    async with opened(database_url, tmp_path, park_after=0, sweep=5.0) as scene:
        handle = await scene.app.submit(flow(ASK))
        await parked(handle)
        trace = await cancelled(handle, record_property)
    assert [row.status for row in trace.attempts] == ["cancelled"]


async def test_a_run_with_a_child_at_work(database_url, tmp_path, record_property):
    async with opened(database_url, tmp_path) as scene:
        handle, below = await _family(scene, tmp_path, NAP)
        await until(lambda: scene.at_work("nap"))
        await cancelled(handle, record_property)
        assert scene.running["nap"] == 0
        await _ended(below)


async def test_a_parked_run_with_a_parked_child(database_url, tmp_path, record_property):
    async with opened(database_url, tmp_path, park_after=0, sweep=5.0) as scene:
        handle, below = await _family(scene, tmp_path, ASK)
        for run in (handle, below):
            await parked(run)
        await cancelled(handle, record_property)
        await _ended(below)


async def _family(scene: Scene, folder: Any, steps: str) -> tuple[RunHandle, RunHandle]:
    head = CHILD.split("outputs")[0]
    (folder / "child.yaml").write_text(f"{head}steps:\n{steps}")
    path = folder / "parent.yaml"
    path.write_text("api: orchestrator/v1\nname: parent\nsteps:\n  call: {kind: workflow, uses: ./child.yaml}\n")
    handle = await scene.app.submit(path)
    return handle, await child_of(scene, handle)


async def _ended(handle: RunHandle) -> None:
    trace = await handle.trace()
    assert trace.run.status == "cancelled"
    assert not [row for row in trace.attempts if row.status in OPEN]
