"""Attempts: claimed once, settled once, lost rather than run twice."""

import asyncio
from dataclasses import replace

import pytest

from orchestrator.domain.attempt import Purpose
from orchestrator.domain.event import ATTEMPT_FINISHED, Event
from orchestrator.domain.identity import RunId, new_process_id
from orchestrator.domain.outcome import ErrorInfo, Outcome, OutcomeKind, Usage
from orchestrator.domain.payload import Payload
from orchestrator.store import Database, attempts, blobs, events, inbox, processes, runs
from tests.integration.store.scene import Scene, submit


async def test_a_claim_carries_everything_the_worker_needs(scene: Scene) -> None:
    order = scene.order(
        options={"model": "small"}, timeout=60.0, idle=5.0, idempotency_key="k", traceparent="00-1-2-01", priority=3
    )
    await scene.queue(order)
    claimed = await scene.claim()
    assert claimed is not None
    assert claimed.order == order
    assert claimed.order.options == {"model": "small"}
    assert (claimed.token, claimed.input_value, claimed.workflow) == (1, {"folder": "docs"}, "brief")
    assert claimed.queued_at <= claimed.claimed_at < claimed.lease_until
    assert claimed.last_heartbeat is None


async def test_inserting_an_order_again_changes_nothing(scene: Scene) -> None:
    claimed = await scene.claimed()
    await scene.queue(scene.order(), scene.order(number=2))
    rows = await attempts.list_attempts(scene.database, scene.run_id, tenant="acme")
    assert [(row.number, row.status) for row in rows] == [(1, "running"), (2, "queued")]
    assert rows[0].id == claimed.order.id


async def test_each_of_many_claims_gets_another_attempt(scene: Scene) -> None:
    await scene.queue(*(scene.order(item=item) for item in range(30)))
    claims = await asyncio.gather(*(scene.claim() for _ in range(40)))
    got = [claimed.order.item for claimed in claims if claimed]
    assert sorted(got) == list(range(30))


async def test_higher_priority_first_then_the_one_that_is_due_longest(scene: Scene) -> None:
    await scene.queue(scene.order("a"))
    await scene.queue(scene.order("b"), scene.order("c", priority=5))
    await scene.queue(scene.order("later", priority=9, delay=60.0))
    steps = [claimed.order.step for _ in range(3) if (claimed := await scene.claim())]
    assert steps == ["c", "a", "b"]
    assert await scene.claim() is None


async def test_only_the_pool_and_the_workers_of_the_process(scene: Scene) -> None:
    await scene.queue(scene.order("a", pool="other"), scene.order("b", worker="unknown"))
    assert await scene.claim() is None
    assert await scene.claim(pool="other") is not None


async def test_attempts_of_an_ended_run_are_left(scene: Scene) -> None:
    await scene.queue(scene.order())
    async with scene.database.transaction() as connection:
        await runs.finish_run(connection, scene.run_id, status="failed", output=None, error=None)
    assert await scene.claim() is None
    assert await attempts.missing_permits(scene.database) == {}


async def test_due_attempts_are_counted_by_pool(scene: Scene) -> None:
    await scene.queue(scene.order("a"), scene.order("b"), scene.order("c", pool="x"), scene.order("d", delay=60.0))
    assert await attempts.missing_permits(scene.database) == {"io": 2, "x": 1}


async def test_an_outcome_is_stored_whole(scene: Scene) -> None:
    process = new_process_id()
    await processes.register(scene.database, process, "supervisor")
    assert await runs.take_ownership(scene.database, scene.run_id, process, 5.0)
    claimed = await scene.claimed()
    payload = Payload.of({"text": "x" * 100})
    outcome = Outcome(OutcomeKind.SUCCEEDED, payload.ref, usage=Usage(10, 5, 0.25, 2))
    note = Event(scene.run_id, "acme", ATTEMPT_FINISHED, "fetch", attempt_id=claimed.order.id, data={"n": 1})
    result = await scene.settle(claimed, outcome, payload, note)
    assert result == attempts.SettleResult(held=True, owner=process)
    stored = await blobs.get_blobs(scene.database, "acme", [payload.ref])
    assert stored == {payload.ref.sha256: payload.data}
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    assert row.kind == "outcome"
    assert row.settled is not None
    assert (row.settled.id, row.settled.step, row.settled.number) == (claimed.order.id, "fetch", 1)
    assert (row.settled.purpose, row.settled.outcome) == (Purpose.WORK, outcome)
    read, _ = await events.read_events(scene.database, scene.run_id, tenant="acme")
    assert [(stored.event.kind, stored.event.data) for stored in read] == [(ATTEMPT_FINISHED, {"n": 1})]


async def test_an_error_is_stored_even_with_characters_that_postgres_refuses(scene: Scene) -> None:
    claimed = await scene.claimed()
    error = ErrorInfo("bad", "error", "nul \0 and \ud800", "trace")
    result = await scene.settle(claimed, Outcome(OutcomeKind.FAILED, error=error))
    assert result.held
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    assert row.settled is not None
    assert row.settled.outcome.error == ErrorInfo("bad", "error", "nul \ufffd and \ufffd", "trace")


async def test_repeating_a_settle_after_a_lost_answer_is_harmless(scene: Scene) -> None:
    claimed = await scene.claimed()
    first, second = await scene.succeed(claimed), await scene.succeed(claimed)
    assert (first.held, second.held) == (True, True)
    assert len(await inbox.read_inbox(scene.database, scene.run_id)) == 1
    assert not (await scene.row(claimed)).superseded


async def test_a_lease_that_ended_makes_the_attempt_lost_and_a_late_result_superseded(scene: Scene) -> None:
    claimed = await scene.claimed(lease=-1.0)
    assert await attempts.expire_leases(scene.database, 10) == [(scene.run_id, None)]
    assert await attempts.expire_leases(scene.database, 10) == []
    payload = Payload.of("late")
    outcome = Outcome(OutcomeKind.SUCCEEDED, payload.ref, usage=Usage(7, 3, 0.5, 1))
    result = await scene.settle(claimed, outcome, payload)
    assert not result.held
    row = await scene.row(claimed)
    assert (row.status, row.superseded, row.output, row.cost_usd) == ("lost", True, None, 0.5)
    assert row.error is not None
    assert row.error.error_class == "worker_lost"
    unread = await inbox.read_inbox(scene.database, scene.run_id)
    seen = [(entry.settled.outcome.kind, entry.usage.cost_usd) for entry in unread if entry.settled]
    assert seen == [(OutcomeKind.LOST, None), (OutcomeKind.LOST, 0.5)], "what it turned out to cost is told of once"
    assert not (await scene.settle(claimed, outcome, payload)).held
    assert len(await inbox.read_inbox(scene.database, scene.run_id)) == 2
    assert await blobs.get_blobs(scene.database, "acme", [payload.ref]) == {}
    read, _ = await events.read_events(scene.database, scene.run_id, tenant="acme")
    assert [stored.event.data["status"] for stored in read] == ["lost"]


async def test_a_settle_that_races_with_the_sweeper_counts_once(scene: Scene) -> None:
    for item in range(20):
        claimed = await scene.claimed(lease=-1.0, item=item)
        settled, _ = await asyncio.gather(scene.succeed(claimed), attempts.expire_leases(scene.database, 10))
        row = await scene.row(claimed)
        assert (row.status, row.superseded) == (("succeeded", False) if settled.held else ("lost", True))
    unread = await inbox.read_inbox(scene.database, scene.run_id)
    assert len({row.attempt_id for row in unread}) == 20


async def test_a_stale_token_does_not_count(scene: Scene) -> None:
    claimed = await scene.claimed()
    assert not (await scene.succeed(replace(claimed, token=0))).held
    assert (await scene.row(claimed)).status == "running"
    assert (await scene.succeed(claimed)).held


async def test_renewal_says_what_is_held_and_what_is_to_be_cancelled(scene: Scene) -> None:
    a, b = await scene.claimed(step="a"), await scene.claimed(step="b")
    await scene.succeed(a)
    async with scene.database.transaction() as connection:
        told = await attempts.cancel_attempts(connection, scene.run_id)
    assert told == [(scene.process, scene.run_id)]
    ids = [a.order.id, b.order.id]
    assert await attempts.renew(scene.database, scene.process, 30.0, ids) == {b.order.id: True}
    assert await attempts.renew(scene.database, new_process_id(), 30.0, ids) == {}
    assert await attempts.renew(scene.database, scene.process, 30.0, []) == {}


async def test_renewal_prolongs_the_lease(scene: Scene) -> None:
    claimed = await scene.claimed(lease=-1.0)
    assert await attempts.renew(scene.database, scene.process, 30.0, [claimed.order.id]) == {claimed.order.id: False}
    assert await attempts.expire_leases(scene.database, 10) == []


async def test_cancel_ends_what_is_queued_and_marks_what_runs(scene: Scene) -> None:
    running = await scene.claimed(step="a")
    await scene.queue(scene.order("b"), scene.order("c"))
    async with scene.database.transaction() as connection:
        assert await attempts.cancel_attempts(connection, scene.run_id, "b") == []
        only = [scene.order("c").id]
        assert await attempts.cancel_attempts(connection, scene.run_id, ids=only) == []
    rows = {row.step: row for row in await attempts.list_attempts(scene.database, scene.run_id, tenant="acme")}
    assert {step: row.status for step, row in rows.items()} == {"a": "running", "b": "cancelled", "c": "cancelled"}
    assert not rows["a"].cancel_requested
    assert await inbox.read_inbox(scene.database, scene.run_id) == []
    assert await attempts.count_running(scene.database, scene.run_id) == 1
    await scene.succeed(running)
    assert await attempts.count_running(scene.database, scene.run_id) == 0


async def test_the_next_attempt_gets_the_last_heartbeat(scene: Scene) -> None:
    first = await scene.claimed()
    assert await attempts.record_heartbeat(scene.database, first, {"cursor": 3}, 0.5)
    assert await attempts.record_heartbeat(scene.database, first, None, None)
    row = await scene.row(first)
    assert (row.heartbeat, row.progress) == ({"cursor": 3}, 0.5)
    await scene.settle(first, Outcome(OutcomeKind.FAILED))
    assert not await attempts.record_heartbeat(scene.database, first, {"cursor": 4}, None)
    await scene.queue(scene.order(number=2), scene.order(item=1, number=2))
    claims = [claimed for _ in range(2) if (claimed := await scene.claim())]
    assert {claimed.order.item: claimed.last_heartbeat for claimed in claims} == {-1: {"cursor": 3}, 1: None}


async def test_a_dead_process_loses_its_attempts_at_once(scene: Scene) -> None:
    await processes.register(scene.database, scene.process, "worker", ["io"])
    await scene.claimed(lease=3600.0)
    assert await processes.reap(scene.database, 60.0) == []
    assert await attempts.expire_leases(scene.database, 10) == []
    assert await processes.reap(scene.database, 0.0) == [scene.process]
    assert await attempts.expire_leases(scene.database, 10) == [(scene.run_id, None)]


async def test_many_put_the_same_output_at_once(scene: Scene, database: Database) -> None:
    await scene.queue(*(scene.order(item=item) for item in range(30)))
    claims = [claimed for _ in range(30) if (claimed := await scene.claim())]
    results = await asyncio.gather(*(scene.succeed(claimed, {}) for claimed in claims))
    assert all(result.held for result in results)
    assert len(await inbox.read_inbox(database, scene.run_id)) == 30


async def test_an_outcome_for_a_run_that_is_gone(scene: Scene, database: Database) -> None:
    claimed = await scene.claimed()
    await database.execute("DELETE FROM runs WHERE id = $1", scene.run_id)
    assert not (await scene.succeed(claimed)).held


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_usage_is_summed_when_the_run_ends(database: Database, status: str) -> None:
    scene = Scene(database, await submit(database))
    for step, usage in {"a": Usage(10, 1, 0.5, 1), "b": Usage(5, 2, None, 1)}.items():
        claimed = await scene.claimed(step=step)
        await scene.settle(claimed, Outcome(OutcomeKind.FAILED, usage=usage))
    if status == "running":
        await scene.claimed(step="c")
    async with database.transaction() as connection:
        assert await runs.finish_run(connection, scene.run_id, status="succeeded", output=None, error=None)
        assert not await runs.finish_run(connection, scene.run_id, status="failed", output=None, error=None)
    run = await runs.get_run(database, RunId(scene.run_id))
    assert run is not None
    assert (run.status, run.input_tokens, run.output_tokens, run.cost_usd) == ("succeeded", 15, 3, 0.5)
