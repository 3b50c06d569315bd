"""A graceful stop: what a supervisor holds goes back in one statement, and goes on elsewhere at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from orchestrator import RunHandle
from orchestrator.settings import SupervisorSettings
from tests.integration.supervisor.scene import Scene, flow, opened, until
from tests.integration.supervisor.test_parking import ASK, CHILD, YES, parked, stored

RUNS = 200


async def owned(scene: Scene) -> int:
    """How many runs have an owner."""
    count: int = await scene.app.database.fetchval("SELECT count(*) FROM runs WHERE owner IS NOT NULL")
    return count


async def test_two_hundred_runs_are_handed_back_at_once_and_go_on_elsewhere(database_url, tmp_path):
    workflow = flow(ASK)
    async with opened(database_url, tmp_path) as scene:
        handles = [await scene.app.submit(workflow) for _ in range(RUNS)]

        async def asked() -> bool:
            return len(await scene.app.questions(limit=RUNS)) == RUNS

        await until(asked)
        rows = await stored(scene, handles[0])
        begun = time.perf_counter()
    took = time.perf_counter() - begun
    assert took < 5.0
    async with opened(database_url, tmp_path) as scene:

        async def taken() -> bool:
            return await owned(scene) == RUNS

        await until(taken)
        assert await stored(scene, handles[0]) == rows, "stopping has left something behind"
        again = [await scene.app.handle(str(handle.id)) for handle in handles]
        await asyncio.gather(*(handle.answer(step="ask", value=YES) for handle in again))
        results = [await handle.result(timeout=30) for handle in again]
    assert {result.status for result in results} == {"succeeded"}


async def test_a_supervisor_says_what_it_hands_back(database_url, tmp_path):
    (tmp_path / "child.yaml").write_text(CHILD)
    path = tmp_path / "parent.yaml"
    path.write_text("api: orchestrator/v1\nname: parent\nsteps:\n  call: {kind: workflow, uses: ./child.yaml}\n")
    async with opened(database_url, tmp_path, park_after=0) as scene:
        asleep = await scene.app.submit(path)
        await parked(asleep)
        await parked(await child_of(scene, asleep))
    async with opened(database_url, tmp_path) as scene:
        awake = await scene.app.submit(path)
        child = await child_of(scene, awake)
        await until(child.questions)

        async def rows() -> list[Any]:
            return await scene.app.database.fetch("SELECT id FROM runs WHERE owner IS NOT NULL")

        assert {row["id"] for row in await rows()} == {awake.id, child.id}
    async with opened(database_url, tmp_path) as scene:
        assert (await (await scene.app.handle(str(asleep.id))).row()).parked, "a parked run is left alone"
        for run in (awake, asleep):
            handle = await scene.app.handle(str(run.id))
            await handle.answer(step="ask", value=YES)
            assert (await handle.result(timeout=20)).status == "succeeded"


async def child_of(scene: Scene, handle: RunHandle) -> RunHandle:
    """The run that a step of another began."""

    async def found() -> list[Any]:
        return (await handle.trace()).children

    return await scene.app.handle(str((await until(found))[0].id))


def test_a_loop_that_is_blocked_for_two_seconds_does_not_make_a_process_look_dead():
    settings = SupervisorSettings()
    assert settings.heartbeat + 2.0 + 1.0 <= settings.dead_after
