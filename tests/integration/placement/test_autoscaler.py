"""The loop: what is due in the database becomes processes of a placement, which stay as they are while it is away."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Collection
from types import SimpleNamespace

import pytest

from orchestrator.domain.scaling import ScalingPolicy
from orchestrator.domain.worker import WorkerCard
from orchestrator.placement import Autoscaler, LocalPlacement, PoolState, policies_of
from orchestrator.settings import PoolScaling, ScalingSettings, Settings, SharingSettings
from orchestrator.store import Database, processes
from orchestrator.store.pools import Member
from tests.integration.store.scene import Scene, submit

POLICY = ScalingPolicy(max=3, slots=4, target_wait=1.0, cool_down=0.0)


class Told:
    """A placement that starts nothing: this test's own process stands for one that does."""

    def __init__(self) -> None:
        self.wanted: dict[str, int] = {}
        self.looked: dict[str, set[Member]] = {}

    def members(self, pool: str) -> list[Member]:
        return [(socket.gethostname(), os.getpid())] if self.wanted.get(pool) else []

    def resize(self, pool: str, wanted: int, engaged: Collection[Member] = ()) -> None:
        self.wanted[pool] = wanted
        self.looked[pool] = set(engaged)


def scaler(database: Database, placement: Told, **options) -> Autoscaler:
    policies = {"io": POLICY, "idle": POLICY}
    return Autoscaler(database, placement, policies, interval=0.05, dead_after=8.0, grace=5.0, **options)


async def test_a_pool_with_work_gets_processes_and_gives_them_back(database: Database) -> None:
    scene, placement = Scene(database, await submit(database)), Told()
    autoscaler = scaler(database, placement)
    assert [state.wanted for state in await autoscaler.look()] == [0, 0]
    await scene.queue(*(scene.order(item=item) for item in range(12)))
    await autoscaler.look()
    assert placement.wanted == {"io": 1, "idle": 0}

    await processes.register(database, scene.process, "worker", ["io"])
    assert await scene.claim() is not None
    await database.execute("UPDATE attempts SET not_before = now() - interval '3 s' WHERE status = 'queued'")
    states = {state.pool: state for state in await autoscaler.look()}
    assert placement.wanted == {"io": 2, "idle": 0}
    assert (states["io"].load.queued, states["io"].load.running, states["io"].load.serving) == (11, 1, 1)

    await database.execute("DELETE FROM attempts")
    await autoscaler.look()
    assert placement.wanted == {"io": 0, "idle": 0}


async def test_a_process_in_the_middle_of_a_long_attempt_is_not_taken_away(database: Database) -> None:
    scene, placement = Scene(database, await submit(database)), Told()
    autoscaler = scaler(database, placement)
    await scene.queue(scene.order())
    await autoscaler.look()
    await processes.register(database, scene.process, "worker", ["io"])
    assert await scene.claim() is not None
    placement.members = lambda pool: [(socket.gethostname(), os.getpid())] * (2 if pool == "io" else 0)

    await autoscaler.look()
    assert (placement.wanted["io"], placement.looked["io"]) == (1, set()), "it may end within its grace"
    await database.execute("UPDATE attempts SET claimed_at = now() - interval '6 s'")
    states = await autoscaler.look()
    assert (states[0].wanted, placement.wanted["io"]) == (1, 1)
    assert placement.looked["io"] == {(socket.gethostname(), os.getpid())}


async def test_the_youngest_that_is_not_engaged_is_stopped(tmp_path, monkeypatch) -> None:
    placement = LocalPlacement(Settings(root=tmp_path), ["io"], patience=1.0, tell=print)
    stopped = []
    monkeypatch.setattr(placement, "_start", lambda name, arguments: SimpleNamespace(name=name, pid=int(name[-1])))
    monkeypatch.setattr(placement, "_end", lambda kept: stopped.append(kept.name))
    placement.resize("io", 3)
    here = socket.gethostname()
    placement.resize("io", 1, [(here, 3), (here, 1)])
    assert stopped == ["io-2"]
    placement.resize("io", 1, [(here, 1)])
    assert stopped == ["io-2", "io-3"]
    placement.resize("io", 0)
    assert stopped == ["io-2", "io-3", "io-1"]


async def test_while_the_database_is_away_nothing_grows_or_shrinks(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = await Database.connect(database_url, size=2)
    scene, placement, stop = Scene(database, await submit(database)), Told(), asyncio.Event()
    await scene.queue(scene.order())
    looks: list[list[PoolState]] = []
    running = asyncio.create_task(scaler(database, placement, on_look=looks.append).run(stop))
    async with asyncio.timeout(10):
        while not looks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await database.close()
        while caplog.text.count("the pools are not scaled") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stop.set()
        await running
    assert placement.wanted == {"io": 1, "idle": 0}


def test_the_policies_come_from_the_settings_and_from_what_workers_allow(tmp_path) -> None:
    scaling = ScalingSettings(pools={"io": PoolScaling(concurrency=16, max=9)})
    cards = [WorkerCard("a", pool="io", concurrency=3), WorkerCard("b", pool="io", concurrency=2)]
    policies = policies_of(Settings(root=tmp_path, scaling=scaling), cards, ["io", "agents"])
    assert policies["io"] == ScalingPolicy(max=9, slots=5)
    assert policies["agents"] == ScalingPolicy(slots=8)


def test_a_pool_grows_no_further_than_its_limit_lets_through(tmp_path) -> None:
    scaling = ScalingSettings(default=PoolScaling(max=9), pools={"kept": PoolScaling(min=3)})
    limits = {"io": {"max_running": 17}, "wide": {"max_running": 1_000}, "kept": {"max_running": 1}}
    sharing = SharingSettings.model_validate({"pools": limits})
    policies = policies_of(Settings(root=tmp_path, scaling=scaling, sharing=sharing), [], [*limits, "free"])
    assert {pool: policy.max for pool, policy in policies.items()} == {"io": 3, "wide": 9, "kept": 3, "free": 9}
