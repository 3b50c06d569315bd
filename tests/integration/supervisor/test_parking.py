"""Parking: a run that waits for people, child runs or far timers is nowhere but in its rows, and comes back at once."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import asyncpg
import pytest

from orchestrator import RunHandle
from orchestrator.domain.run import FINAL
from orchestrator.store.runs import RunRow
from orchestrator.supervisor.context import RunContext
from tests.integration.supervisor.scene import Scene, flow, opened, until

ASK = """
  ask: {kind: human, form: {type: object, required: [ok], properties: {ok: {type: boolean}}}}
  after: {kind: worker, worker: t.say, needs: [ask], with: {text: answered}}
"""
YES = {"ok": True}
CHILD = f"""
api: orchestrator/v1
name: child
version: 1.0.0
outputs: {{ok: "${{{{ steps.ask.output.ok }}}}"}}
steps:{ASK}
"""
STORED = """
SELECT (SELECT count(*) FROM orchestrator.checkpoints WHERE thread_id = $1),
       (SELECT count(*) FROM orchestrator.checkpoint_blobs WHERE thread_id = $1),
       (SELECT count(*) FROM orchestrator.checkpoint_writes WHERE thread_id = $1)
"""


async def parked(handle: RunHandle) -> RunRow:
    """The run's row, once it is parked."""

    async def found() -> RunRow | None:
        row = await handle.row()
        assert row.status not in FINAL, row.error
        return row if row.parked else None

    return await until(found)


def contexts() -> int:
    """How many runs' contexts are still in memory."""
    gc.collect()
    return sum(type(each) is RunContext for each in gc.get_objects())


async def stored(scene: Scene, handle: RunHandle) -> tuple[Any, ...]:
    """How many checkpoints, channel values and writes a run has."""
    connection = await asyncpg.connect(scene.app.database_url)
    try:
        return tuple(await connection.fetchrow(STORED, str(handle.id)))
    finally:
        await connection.close()


async def test_a_parked_run_is_woken_by_an_answer_within_milliseconds(database_url, tmp_path):
    async with opened(database_url, tmp_path, park_after=0, sweep=5.0) as scene:
        handle = await scene.app.submit(flow(ASK))
        row = await parked(handle)
        assert (row.owner, row.wake_at, row.status) == (None, None, "running")
        begun = time.perf_counter()
        await handle.answer(step="ask", value=YES)
        result = await handle.result(timeout=20)
        took = time.perf_counter() - begun
    assert (result.status, scene.calls["answered"]) == ("succeeded", 1)
    assert took < 2.0, "the sweep was waited for"


async def test_parked_runs_leave_nothing_in_memory(database_url, tmp_path):
    async with opened(database_url, tmp_path, park_after=0) as scene:
        workflow = flow(ASK)
        handles = [await scene.app.submit(workflow) for _ in range(300)]
        for handle in handles:
            await parked(handle)
        assert contexts() < 30, "timers that asyncio has not thrown away yet keep a few"


async def test_parking_again_and_again_stores_nothing_more(database_url, tmp_path):
    async with opened(database_url, tmp_path, park_after=0) as scene:
        handle = await scene.app.submit(flow(ASK))
        first = await parked(handle)
        rows = await stored(scene, handle)
        for _ in range(3):
            epoch = (await handle.row()).epoch
            async with scene.app.database.transaction() as connection:
                await connection.execute("UPDATE runs SET wake_at = now() WHERE id = $1", handle.id)

            async def again(before: int = epoch) -> bool:
                row = await handle.row()
                return row.parked and row.epoch > before

            await until(again)
        assert (await handle.row()).epoch >= first.epoch + 3
        assert await stored(scene, handle) == rows
        await handle.answer(step="ask", value=YES)
        assert (await handle.result(timeout=20)).status == "succeeded"


async def test_a_person_who_does_not_answer_in_time(database_url, tmp_path):
    steps = ASK.replace("}}}\n  after", "}}, expires: {after: 1s, then: skip}}\n  after", 1)
    async with opened(database_url, tmp_path, park_after=0) as scene:
        handle = await scene.app.submit(flow(steps))
        row = await parked(handle)
        assert row.wake_at == pytest.approx(time.time() + 1.0, abs=1.0)
        result = await handle.result(timeout=20)
        trace = await handle.trace()
    assert result.status == "succeeded"
    assert [step.status for step in trace.steps] == ["skipped", "skipped"]


async def test_a_parent_is_parked_with_its_child(database_url, tmp_path):
    (tmp_path / "child.yaml").write_text(CHILD)
    path = tmp_path / "parent.yaml"
    path.write_text("api: orchestrator/v1\nname: parent\nsteps:\n  call: {kind: workflow, uses: ./child.yaml}\n")
    async with opened(database_url, tmp_path, park_after=0, sweep=5.0) as scene:
        handle = await scene.app.submit(path)
        await parked(handle)
        child = await _child(scene, handle)
        await parked(child)
        begun = time.perf_counter()
        await handle.answer(step="ask", value=YES)
        result = await handle.result(timeout=20)
        took = time.perf_counter() - begun
    assert result.status == "succeeded"
    assert took < 2.0, "the sweep was waited for"


async def _child(scene: Scene, handle: RunHandle) -> RunHandle:
    async def found() -> list[Any]:
        return (await handle.trace()).children

    return await scene.app.handle(str((await until(found))[0].id))


async def test_the_wall_clock_of_a_budget_stands_still_while_parked(database_url, tmp_path):
    steps = ASK + "  last: {kind: worker, worker: t.wait, needs: [after], with: {seconds: 0.2, text: last}}\n"
    async with opened(database_url, tmp_path, park_after=0) as scene:
        handle = await scene.app.submit(flow(steps, "budget: {wall: 1.5s, on_exceed: fail}"))
        assert (await parked(handle)).wake_at is None
        await asyncio.sleep(2.0)
        await handle.answer(step="ask", value=YES)
        assert (await handle.result(timeout=20)).status == "succeeded"


async def test_a_full_process_parks_parents_for_their_children(database_url, tmp_path):
    (tmp_path / "child.yaml").write_text(
        "api: orchestrator/v1\nname: child\nsteps:\n  say: {kind: worker, worker: t.say, with: {text: child}}\n"
    )
    path = tmp_path / "parent.yaml"
    path.write_text("api: orchestrator/v1\nname: parent\nsteps:\n  call: {kind: workflow, uses: ./child.yaml}\n")
    async with opened(database_url, tmp_path, max_runs=3) as scene:
        handles = [await scene.app.submit(path) for _ in range(12)]
        results = [await handle.result(timeout=20) for handle in handles]
    assert {result.status for result in results} == {"succeeded"}
    assert scene.calls["child"] == 12
