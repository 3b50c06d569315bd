"""How a worker process holds attempts: permits, limits, timeouts, cancellation, leases and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from orchestrator.queue import Notifier
from orchestrator.store import Database, attempts, processes
from orchestrator.worker import Registry, attempt_runner
from tests.integration.worker.scene import Scene, eventually, serving
from tests.integration.worker.specialists import begun, echo, ended


async def test_a_surplus_permit_finds_nothing_and_ends(scene: Scene, database: Database):
    async with serving(scene):
        row = await scene.outcome("r.echo", permits=5)
        assert row.token == 1

        async def no_jobs() -> bool:
            return await database.fetchval("SELECT count(*) FROM pgqueuer") == 0

        await eventually(no_jobs)


async def test_so_many_at_once_and_no_more(scene: Scene):
    async with serving(scene, concurrency=2):
        ids = [await scene.order("r.sleep", {"seconds": 0.2}, step=f"s{n}") for n in range(6)]
        rows = [await scene.ended(each) for each in ids]
    assert most_at_once(rows) == 2


async def test_a_workers_own_limit_holds_and_nothing_waits_for_the_sweeper(scene: Scene):
    async with serving(scene):
        begin = time.monotonic()
        ids = [await scene.order("r.limited", step=f"s{n}") for n in range(4)]
        quick = await scene.outcome("r.echo", step="quick")
        rows = [await scene.ended(each) for each in ids]
        spent = time.monotonic() - begin
    assert most_at_once(rows) == 1
    assert quick.finished_at < max(row.finished_at for row in rows)
    assert spent < 3


async def test_attempts_of_workers_that_this_process_does_not_know_are_left(scene: Scene):
    async with serving(scene, registry=Registry([echo])):
        other = await scene.order("r.sleep", step="other")
        await scene.outcome("r.echo")
        assert (await scene.row(other)).status == "queued"


async def test_the_attempt_timeout(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.sleep", timeout=0.2)
    assert (row.status, row.error.error_class) == ("timed_out", "timeout")
    assert "0.2s (attempt timeout)" in row.error.message


async def test_the_idle_timeout(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.idle", idle=0.2, timeout=30.0)
    assert row.status == "timed_out"
    assert "no heartbeat for 0.2s" in row.error.message


@pytest.mark.parametrize("worker", ["r.sleep", "r.spin"])
async def test_a_cancelled_run_stops_at_once_when_the_process_is_told(scene: Scene, database: Database, worker):
    async with serving(scene):
        identity = await scene.order(worker)
        await scene.started(identity)
        begin = time.monotonic()
        async with database.transaction() as connection:
            told = await attempts.cancel_attempts(connection, scene.run_id)
        async with Notifier(database.pool) as notifier:
            for process, run_id in told:
                notifier.wake_run(process, run_id)
        row = await scene.ended(identity)
    assert row.status == "cancelled"
    assert time.monotonic() - begin < scene.settings.lease / 3


async def test_a_cancellation_that_nobody_told_of_is_learnt_at_renewal(scene: Scene, database: Database):
    async with serving(scene):
        identity = await scene.order("r.sleep")
        await scene.started(identity)
        async with database.transaction() as connection:
            await attempts.cancel_attempts(connection, scene.run_id)
        row = await scene.ended(identity, within=scene.settings.lease)
    assert row.status == "cancelled"


async def test_leases_are_renewed_for_as_long_as_it_takes(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.sleep", {"seconds": scene.settings.lease * 1.5})
    assert row.status == "succeeded"
    assert row.token == 1


async def test_a_lost_attempt_is_stopped_and_never_settled(scene: Scene, database: Database, caplog):
    async with serving(scene) as it:
        identity = await scene.order("r.sleep")
        await scene.started(identity)
        await database.execute("UPDATE attempts SET lease_until = now() - interval '1 second'")
        await attempts.expire_leases(database, 10)

        async def given_up() -> bool:
            return not it.runtime.held

        await eventually(given_up)
        row = await scene.row(identity)
    assert row.status == "lost"
    assert len(await scene.inbox()) == 1
    assert "lost r.sleep" in caplog.text


async def test_a_process_declared_dead_goes_on_under_a_new_id(scene: Scene, database: Database):
    async with serving(scene) as it:
        first = await scene.ended(await scene.order("r.echo", step="before"))
        await processes.reap(database, -1.0)

        async def renamed() -> bool:
            return it.runtime.process_id != first.process

        await eventually(renamed)
        second = await scene.outcome("r.echo", step="after")
    assert second.process == it.runtime.process_id


async def test_stopping_lets_attempts_finish_within_the_grace(scene: Scene):
    async with serving(scene, grace=10) as it:
        identity = await scene.order("r.sleep", {"seconds": 0.5})
        await scene.started(identity)
        assert await it.stop() == []
        assert (await scene.row(identity)).status == "succeeded"


async def test_stopping_hands_back_what_does_not_finish(scene: Scene, database: Database):
    async with serving(scene, grace=0.2) as it:
        identity = await scene.order("r.sleep")
        await scene.started(identity)
        (label,) = await it.stop()
        row = await scene.row(identity)
    assert label.startswith("r.sleep (step s, attempt 1, run ")
    assert (row.status, row.error.error_class) == ("lost", "worker_lost")
    assert row.error.message.startswith("handed back")
    assert len(await scene.inbox()) == 1
    assert not [each for each in await processes.list_processes(database) if each.kind == "worker"]


async def test_after_stopping_nothing_is_claimed(scene: Scene):
    async with serving(scene) as it:
        await scene.outcome("r.echo")
        await it.stop()
        late = await scene.order("r.echo", step="late")
        assert (await scene.row(late)).status == "queued"


async def test_a_worker_that_blocks_the_event_loop_is_named(scene: Scene, caplog):
    with caplog.at_level(logging.ERROR, "orchestrator.worker.watchdog"):
        async with serving(scene):
            row = await scene.outcome("r.block", {"seconds": 1.5})
    assert row.status == "succeeded"
    assert "the event loop has been blocked" in caplog.text
    assert "in block" in caplog.text
    assert "Running: r.block (step s" in caplog.text


async def test_code_that_does_not_stop_is_reported_to_who_can_end_the_process(scene: Scene, database: Database):
    stuck: list[str] = []
    async with serving(scene, on_stuck=stuck.append):
        row = await scene.outcome("r.stubborn", timeout=0.1)
        assert row.status == "timed_out"

        async def reported() -> bool:
            return bool(stuck)

        await eventually(reported)
    assert stuck[0].startswith("r.stubborn")


async def test_no_retry_begins_while_code_that_does_not_stop_still_runs(scene: Scene):
    async with serving(scene):
        for number, mark in ((1, "first"), (2, "second")):
            row = await scene.outcome("r.stubborn", {"seconds": 1.5, "mark": mark}, number=number, timeout=0.1)
            assert (row.status, row.error.message) == ("timed_out", "not done after 0.1s (attempt timeout)")
    assert ended["first"] <= begun["second"]


async def test_code_that_never_stops_is_told_of_and_keeps_its_slot(scene: Scene, monkeypatch, caplog):
    monkeypatch.setattr(attempt_runner, "LINGER", 0.2)
    async with serving(scene, concurrency=1):
        row = await scene.outcome("r.stubborn", {"seconds": 3.0, "mark": "slot"}, timeout=0.1)
        assert (row.status, "slot" in ended) == ("timed_out", False)
        assert "its code was told to stop and still runs" in row.error.message
        await scene.outcome("r.echo", step="next")
        assert "slot" in ended
        events = [each.event.data for each in await scene.events(row.id)]
    assert any("told to stop and does not" in data.get("message", "") for data in events)
    assert "keeps its slot" in caplog.text


async def test_a_runtime_that_ends_leaves_code_behind_that_does_not_stop(scene: Scene):
    async with serving(scene, grace=0.2) as it:
        identity = await scene.order("r.stubborn", {"seconds": 5.0, "mark": "left"}, timeout=0.1)
        await scene.started(identity)
        await asyncio.sleep(1)
        begin = time.monotonic()
        await it.stop()
        row = await scene.row(identity)
    assert time.monotonic() - begin < 2
    assert (row.status, "left" in ended) == ("lost", False)
    assert "still runs" in row.error.message


async def test_lost_connections_lose_no_outcome(scene: Scene, database_url: str):
    other = await Database.connect(database_url, size=6)
    try:
        async with serving(scene, database=other):
            identity = await scene.order("r.sleep", {"seconds": 0.5})
            await scene.started(identity)
            await scene.database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            row = await scene.ended(identity)
            after = await scene.outcome("r.echo", step="after")
    finally:
        await other.close()
    assert (row.status, row.token, after.status) == ("succeeded", 1, "succeeded")


async def test_an_outcome_that_the_database_refuses_is_stored_as_a_failure(scene: Scene, database: Database):
    await database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'too round'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON blobs FOR EACH ROW WHEN (NEW.size = 7) EXECUTE FUNCTION refuse()"
    )
    async with serving(scene):
        row = await scene.outcome("r.sleep", {"seconds": 0})
    assert (row.status, row.error.code) == ("failed", "not_stored")
    assert "too round" in row.error.message


@pytest.mark.parametrize("state", ["25006", "53100", "57014"])
async def test_an_outcome_that_the_database_refuses_for_a_while_waits(scene: Scene, database: Database, state):
    await database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE 'not now' USING ERRCODE = '{state}'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON blobs FOR EACH ROW WHEN (NEW.size = 7) EXECUTE FUNCTION refuse()"
    )
    async with serving(scene):
        identity = await scene.order("r.sleep", {"seconds": 0})
        await asyncio.sleep(1.2)
        assert (await scene.row(identity)).status == "running"
        await database.execute("DROP TRIGGER refuse ON blobs")
        row = await scene.ended(identity)
    assert (row.status, row.token) == ("succeeded", 1)


def most_at_once(rows) -> int:
    """How many of the attempts ran at the same time at the most."""
    moments = sorted([(row.claimed_at, 1) for row in rows] + [(row.finished_at, -1) for row in rows])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


async def test_two_processes_share_a_pool_and_nothing_runs_twice(scene: Scene, database_url: str):
    other = await Database.connect(database_url, size=6)
    try:
        async with serving(scene), serving(scene, database=other):
            ids = [await scene.order("r.sleep", {"seconds": 0.05}, step=f"s{n}") for n in range(20)]
            rows = await asyncio.gather(*[scene.ended(each) for each in ids])
    finally:
        await other.close()
    assert {row.token for row in rows} == {1}
    assert len(await scene.inbox()) == 20
