"""Whose attempt is claimed next: tenants by their weights, lanes by priority, and nobody for ever last."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from orchestrator.domain.fairness import LANE
from orchestrator.domain.gate import step_rate
from orchestrator.domain.worker import WorkerCard
from orchestrator.errors import ServiceError
from orchestrator.settings import SharingSettings
from orchestrator.store import Database
from orchestrator.store.jsonb import to_jsonb
from orchestrator.store.queries import query
from orchestrator.worker import pool_claims
from orchestrator.worker.pool_claims import PoolClaims
from tests.integration.worker.backlog import Backlog, claims_of

WORKERS = ("r.echo",)


async def claimed(claims: PoolClaims, count: int, *, at_once: int = 1, workers: tuple[str, ...] = WORKERS) -> list:
    """The orders of the next so many claims, in portions as permits come."""
    orders = []
    while len(orders) < count:
        found = await claims.claim(workers, min(at_once, count - len(orders)))
        if not found.taken:
            break
        orders += [each.order for each in found.taken]
    await claims.close()
    return orders


@pytest.mark.parametrize("at_once", [1, 8])
async def test_ten_attempts_are_not_delayed_by_ten_thousand(database: Database, at_once):
    backlog = Backlog(database)
    await backlog.add("big", 10_000, age=60)
    await backlog.add("small", 10)
    claims = claims_of(database)
    tenants = [order.tenant for order in await claimed(claims, 16, at_once=at_once)]
    assert tenants.count("small") == 8, "turn about, as long as both have something"
    tenants += [order.tenant for order in await claimed(claims, 16, at_once=at_once)]
    assert tenants.count("small") == 10, "and then the other has all"


async def test_a_tenant_that_comes_later_is_noticed_and_saves_nothing_up(database: Database):
    backlog = Backlog(database)
    await backlog.add("big", 200)
    claims = claims_of(database)
    await claimed(claims, 100)
    await backlog.add("small", 50)
    await claims._look()  # what is done beside the claims every tenth of a second
    tenants = [order.tenant for order in await claimed(claims, 40)]
    assert Counter(tenants) == {"big": 20, "small": 20}


async def test_shares_are_as_the_weights(database: Database):
    backlog = Backlog(database)
    for tenant in ("gold", "plain"):
        await backlog.add(tenant, 200)
    sharing = SharingSettings.model_validate({"tenants": {"gold": {"weight": 3}}})
    orders = await claimed(claims_of(database, sharing=sharing), 80, at_once=8)
    assert Counter(order.tenant for order in orders) == {"gold": 60, "plain": 20}


async def test_a_high_priority_gets_a_tenant_nothing_of_the_others_shares(database: Database):
    backlog = Backlog(database)
    await backlog.add("loud", 50, priority=1_000_000)
    await backlog.add("quiet", 50)
    orders = await claimed(claims_of(database), 40)
    assert Counter(order.tenant for order in orders) == {"loud": 20, "quiet": 20}


@pytest.mark.parametrize("at_once", [1, 8])
async def test_the_low_lane_waits_no_longer_than_its_bound(database: Database, at_once):
    backlog = Backlog(database)
    await backlog.add("acme", 5, priority=0, age=60)
    await backlog.add("acme", 300, priority=9)
    orders = await claimed(claims_of(database), 200, at_once=at_once)
    places = [place for place, order in enumerate(orders, 1) if order.priority == 0]
    assert len(places) == 5
    assert all(place <= LANE * (number + 1) for number, place in enumerate(places)), places
    assert orders[0].priority == 9 or places[0] == 1
    assert sum(order.priority == 9 for order in orders[:LANE]) >= LANE - 1, "higher goes first all the same"


async def test_what_one_process_cannot_run_holds_up_nobody(database: Database):
    backlog = Backlog(database)
    await backlog.add("stuck", 50, worker="r.unknown", age=60)
    await backlog.add("acme", 20)
    orders = await claimed(claims_of(database), 20, at_once=8)
    assert [order.tenant for order in orders] == ["acme"] * 20


async def test_a_steps_rate_and_a_strangers_limit_are_noticed_in_a_pool_without_gates(database: Database):
    backlog = Backlog(database)
    rate = to_jsonb({"rate": step_rate("acme", "flow", "s", "1/h")})
    await backlog.add("acme", 5, options=rate)
    await backlog.add("acme", 5, worker="r.guest")
    guest = WorkerCard("r.guest", pool="elsewhere", max_running=2)
    orders = await claimed(claims_of(database, guest), 10, workers=("r.echo", "r.guest"))
    assert Counter(order.worker for order in orders) == {"r.echo": 1, "r.guest": 2}


@pytest.mark.parametrize("later", ["rated", "guest"])
async def test_what_stands_behind_a_gate_is_claimed_by_its_own_permit_when_it_comes_later(database: Database, later):
    backlog = Backlog(database)
    claims = claims_of(database, WorkerCard("r.guest", pool="elsewhere", max_running=2))
    await backlog.add("acme", 1)
    workers = ("r.echo", "r.guest")
    assert len((await claims.claim(workers, 1)).taken) == 1
    options = {"rate": step_rate("acme", "flow", "s", "1/h")} if later == "rated" else {}
    await backlog.add("acme", 1, worker="r.guest" if later == "guest" else "r.echo", options=to_jsonb(options))
    assert len((await claims.claim(workers, 1)).taken) == 1
    await claims.close()


async def test_what_was_claimed_stays_claimed_when_the_database_goes_away(database: Database, monkeypatch):
    await Backlog(database).add("acme", 1)
    claims = claims_of(database)
    await claims._look()

    async def away(*_):
        raise ServiceError("away")

    monkeypatch.setattr(pool_claims, "look", away)
    assert len((await claims.claim(WORKERS, 2)).taken) == 1
    await claims.close()


async def test_a_look_that_comes_back_late_does_not_hide_what_a_later_one_saw(database: Database, monkeypatch):
    claims, real = claims_of(database), pool_claims.look
    begun, late = asyncio.Event(), asyncio.Event()

    async def delayed(*arguments):
        seen = await real(*arguments)
        begun.set()
        await late.wait()
        return seen

    monkeypatch.setattr(pool_claims, "look", delayed)
    early = asyncio.create_task(claims._look())
    await asyncio.wait_for(begun.wait(), 5.0)
    monkeypatch.setattr(pool_claims, "look", real)
    await Backlog(database).add("acme", 1)
    await claims._look()
    late.set()
    await early
    assert claims._view.tenants == {"acme"}


@pytest.mark.parametrize("queued", [0, 10_000])
async def test_a_claim_walks_its_indexes_whenever_it_was_planned(database: Database, queued):
    await Backlog(database).add("acme", queued)
    async with database.connection() as connection:
        await connection.execute("ANALYZE attempts" if queued else "SELECT")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        types = "text, text[], uuid, float8, text[], int[], int[], text[]"
        await connection.execute(f"PREPARE claim ({types}) AS {query('claim_attempts')}")
        values = "'test', '{r.echo}', gen_random_uuid(), 30, '{acme}', '{7}', '{1}', '{}'"
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE claim ({values})")]
        await connection.execute("RESET plan_cache_mode")
    scans = [line.split("->")[-1].split("(")[0].strip() for line in plan if "Scan" in line]
    assert "Index Scan using attempts_claim on attempts a_1" in scans
    assert "Index Scan using attempts_waited on attempts a" in scans
    assert not [scan for scan in scans if scan.startswith("Seq Scan")], scans
