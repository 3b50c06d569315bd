"""Limits and rates hold over several runtimes at once, and nothing waits for long where there is room again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import pytest

from orchestrator.domain.gate import step_rate
from orchestrator.domain.worker import WorkerCard
from orchestrator.settings import SharingSettings
from orchestrator.store import Database, attempts
from orchestrator.store.jsonb import to_jsonb
from orchestrator.worker import Registry, room
from tests.integration.worker.backlog import Backlog, claims_of
from tests.integration.worker.scene import Scene, Serving, eventually, serving
from tests.integration.worker.specialists import POOL, echo, few, paced, paces, sleep

SPANS = "SELECT tenant, worker, claimed_at, finished_at, process FROM attempts WHERE status = 'succeeded'"


@asynccontextmanager
async def three(scene: Scene, *workers, **sharing) -> AsyncIterator[list[Serving]]:
    """Three runtimes of the same settings."""
    settings = SharingSettings.model_validate(sharing)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serving(scene, registry=Registry(workers), sharing=settings))
            for _ in range(3)
        ]


async def all_done(database: Database, *, within: float = 30.0) -> list:
    """The rows of what has run, once nothing is left."""

    async def over() -> bool:
        return not await database.fetchval("SELECT count(*) FROM attempts WHERE status IN ('queued', 'running')")

    await eventually(over, within=within)
    return await database.fetch(SPANS)


def most_at_once(rows) -> int:
    """How many of the rows were running at the same moment, by the database's clock."""
    ends = sorted([(row["claimed_at"], 1) for row in rows] + [(row["finished_at"], -1) for row in rows])
    running = most = 0
    for _, change in ends:
        running += change
        most = max(most, running)
    return most


async def test_a_pools_limit_holds_over_processes(scene: Scene, database: Database):
    await Backlog(database).add("acme", 60, worker="r.sleep", permits=60)
    await database.execute("UPDATE blobs SET data = '{\"seconds\": 0.03}'")
    async with three(scene, sleep, pools={POOL: {"max_running": 5}}):
        rows = await all_done(database)
    assert (len(rows), most_at_once(rows)) == (60, 5)
    assert len({row["process"] for row in rows}) == 3


async def test_a_workers_limit_holds_over_processes_and_leaves_the_others_alone(scene: Scene, database: Database):
    backlog = Backlog(database)
    await backlog.add("acme", 30, worker="r.few", permits=30)
    await backlog.add("acme", 30, permits=30)
    async with three(scene, few, echo):
        rows = await all_done(database)
    assert Counter(row["worker"] for row in rows) == {"r.few": 30, "r.echo": 30}
    assert most_at_once([row for row in rows if row["worker"] == "r.few"]) == 3
    last = {name: max(row["finished_at"] for row in rows if row["worker"] == name) for name in ("r.few", "r.echo")}
    assert last["r.echo"] < last["r.few"]


async def test_a_tenants_cap_holds_over_processes_and_leaves_the_others_alone(scene: Scene, database: Database):
    backlog = Backlog(database)
    await backlog.add("capped", 30, worker="r.few", permits=30)
    await backlog.add("free", 30, worker="r.echo", permits=30)
    async with three(scene, few, echo, tenants={"capped": {"max_running": 2}}):
        rows = await all_done(database)
    assert most_at_once([row for row in rows if row["tenant"] == "capped"]) == 2
    assert Counter(row["tenant"] for row in rows) == {"capped": 30, "free": 30}


async def test_a_workers_rate_is_shared_by_processes(scene: Scene, database: Database):
    paces.clear()
    await Backlog(database).add("acme", 45, worker="r.paced", permits=45)
    async with three(scene, paced):
        begun = time.monotonic()
        await all_done(database)
    assert len(paces) == 45
    starts = sorted(paces)
    for start in starts:
        assert sum(start <= other < start + 1.0 for other in starts) <= 20 + 2 + 1, "a second's, and a portion"
    per_second = 44 / (starts[-1] - starts[0])
    assert 17 < per_second <= 22, f"{per_second:.1f} a second"
    assert starts[0] - begun < 1.0


async def test_a_steps_rate_is_one_for_the_runs_of_a_tenants_workflow(scene: Scene, database: Database):
    backlog = Backlog(database)
    for tenant in ("acme", "other"):
        options = to_jsonb({"rate": step_rate(tenant, "flow", "s", "5/s")})
        for _ in range(2):
            await backlog.add(tenant, 4, options=options, permits=4)
    async with three(scene, echo):
        rows = await all_done(database)
    for tenant in ("acme", "other"):
        starts = sorted(row["claimed_at"].timestamp() for row in rows if row["tenant"] == tenant)
        pauses = [after - before for before, after in pairwise(starts)]
        assert len(starts) == 8
        assert min(pauses) > 0.199
        assert sum(pauses) < 7 * 0.2 + 1.0


async def test_room_that_another_process_leaves_is_used_at_once(scene: Scene, database: Database, monkeypatch):
    monkeypatch.setattr(room, "AT_THE_LATEST", 60.0)
    backlog = Backlog(database)
    sharing = SharingSettings.model_validate({"pools": {POOL: {"max_running": 1}}})
    async with serving(scene, concurrency=1, registry=Registry([sleep]), sharing=sharing) as first:
        held = await scene.order("r.sleep", {"seconds": 1.0}, step="held")
        await scene.started(held)
        async with serving(scene, registry=Registry([echo]), sharing=sharing) as second:
            await backlog.add("acme", 1, worker="r.echo", permits=3)

            async def waits() -> bool:
                return POOL in second.runtime._claims.held

            await eventually(waits)
            ended = await scene.ended(held)
            rows = await all_done(database, within=5.0)
        assert first.runtime.process_id != second.runtime.process_id
    waited = next(row for row in rows if row["worker"] == "r.echo")
    assert 0 <= waited["claimed_at"].timestamp() - ended.finished_at < 0.5


@pytest.mark.parametrize("how", ["lost", "cancelled"])
async def test_what_is_lost_or_cancelled_gives_its_place_back(scene: Scene, database: Database, how):
    sharing = SharingSettings.model_validate({"pools": {POOL: {"max_running": 1}}})
    async with serving(scene, registry=Registry([sleep]), sharing=sharing):
        held = await scene.order("r.sleep", {"seconds": 60}, step="held")
        await scene.started(held)
        next_ = await scene.order("r.sleep", {"seconds": 0}, step="next")
        if how == "lost":
            await database.execute("UPDATE attempts SET lease_until = now() - interval '1 second' WHERE id = $1", held)
            await attempts.expire_leases(database, 10)
        else:
            async with database.transaction() as connection:
                await attempts.cancel_attempts(connection, scene.run_id, ids=[held])
        assert (await scene.ended(held)).status == how
        assert (await scene.ended(next_, within=3.0)).status == "succeeded"


async def test_limits_hold_for_claims_at_the_same_moment(database: Database):
    await Backlog(database).add("acme", 100)
    sharing = SharingSettings.model_validate({"pools": {POOL: {"max_running": 7}}})
    everybody = [claims_of(database, sharing=sharing) for _ in range(6)]
    found = await asyncio.gather(*(each.claim(("r.echo",), 4) for each in everybody))
    assert sum(len(each.taken) for each in found) == 7
    assert any(each.closed for each in found)


async def test_several_limits_at_once_let_through_what_fits_all(database: Database):
    backlog = Backlog(database)
    await backlog.add("capped", 50, worker="r.few")
    await backlog.add("other", 50, worker="r.few")
    sharing = SharingSettings.model_validate(
        {"pools": {POOL: {"max_running": 6}}, "tenants": {"capped": {"max_running": 1}}}
    )
    claims = claims_of(database, WorkerCard("r.few", pool=POOL, max_running=4), sharing=sharing)
    found = await claims.claim(("r.few", "r.echo"), 8)
    assert Counter(each.order.tenant for each in found.taken) == {"capped": 1, "other": 3}
    await backlog.add("third", 50)
    found = await claims.claim(("r.few", "r.echo"), 8)
    assert Counter(each.order.tenant for each in found.taken) == {"third": 2}
    assert {str(gate.kind) for gate in found.closed} >= {"pool"}


async def test_an_unlimited_claim_takes_no_lock(database: Database):
    await Backlog(database).add("acme", 10)
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('pool:test', 7326945021))")
        found = await claims_of(database).claim(("r.echo",), 4)
    assert len(found.taken) == 4
