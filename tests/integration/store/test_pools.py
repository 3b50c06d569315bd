"""How pools stand: what is due, what our processes hold, which of them are up."""

from __future__ import annotations

import os
import socket
import time

from orchestrator.domain.identity import new_process_id
from orchestrator.domain.scaling import PoolLoad
from orchestrator.store import Database, pools, processes
from orchestrator.store.pools import pool_loads
from tests.integration.store.scene import Scene, submit

HERE = (socket.gethostname(), os.getpid())


async def test_a_pool_is_what_is_due_and_what_our_processes_hold(database: Database, scene: Scene) -> None:
    await processes.register(database, scene.process, "worker", ["io"])
    await scene.queue(*(scene.order(item=item) for item in range(5)), scene.order("later", delay=60.0))
    await scene.queue(scene.order("elsewhere", pool="other"))
    assert await scene.claim() is not None
    mine = scene.process
    scene.process = new_process_id()  # of another placement
    assert await scene.claim() is not None
    await database.execute(
        "UPDATE attempts SET not_before = now() - interval '7 s' WHERE step = 'fetch' AND status = 'queued'"
    )

    loads = await pool_loads(database, ["io", "other", "unheard"], [HERE], dead_after=8.0)
    io = loads.pop("io")
    assert (io.queued, io.running, io.serving) == (3, 1, 1)
    assert 7.0 <= io.wait < 30.0
    assert loads.pop("other").queued == 1
    assert loads == {"unheard": PoolLoad()}

    assert (await pool_loads(database, ["io"], [], dead_after=8.0))["io"].running == 0
    await database.execute("UPDATE processes SET heartbeat_at = now() - interval '9 s' WHERE id = $1", mine)
    silent = (await pool_loads(database, ["io"], [HERE], dead_after=8.0))["io"]
    assert (silent.running, silent.serving) == (0, 0)


async def test_what_belongs_to_a_run_that_has_ended_waits_for_nobody(database: Database, scene: Scene) -> None:
    await scene.queue(scene.order())
    await database.execute("UPDATE runs SET finished_at = now() WHERE id = $1", scene.run_id)
    assert await pool_loads(database, ["io"], [], dead_after=8.0) == {"io": PoolLoad()}


async def test_counting_ends_somewhere_and_takes_little_time(database: Database, scene: Scene, monkeypatch) -> None:
    other = Scene(database, await submit(database))
    for each in (scene, other):
        await each.queue(*(each.order(item=item) for item in range(3_000)))
    begun = time.perf_counter()
    assert (await pool_loads(database, ["io", "a", "b"], [HERE], dead_after=8.0))["io"].queued == 6_000
    assert time.perf_counter() - begun < 0.5
    monkeypatch.setattr(pools, "MOST_COUNTED", 100)
    assert (await pool_loads(database, ["io"], [HERE], dead_after=8.0))["io"].queued == 100
