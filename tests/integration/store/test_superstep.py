"""What a superstep writes: all of it in one statement, once, and only for the run's owner."""

import asyncio

import pytest

from orchestrator.domain.event import Event
from orchestrator.domain.identity import new_process_id
from orchestrator.domain.payload import Payload
from orchestrator.domain.verdict import Verdict
from orchestrator.errors import Fenced
from orchestrator.store import attempts, blobs, events, inbox, runs, steps, verdicts
from orchestrator.store.steps import StepRow
from orchestrator.store.superstep import Superstep, write_superstep
from tests.integration.store.scene import Scene

TABLES = ("inbox", "blobs", "attempts", "steps", "verdicts", "events")
INPUT = Payload.of({"question": "why"})


async def full(scene: Scene) -> Superstep:
    """A superstep with something for each table; its verdict judges an attempt that it orders itself."""
    await runs.request_cancel(scene.database, scene.run_id, tenant="acme")
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    order = scene.order(input=INPUT.ref, options={"revision": 1}, priority=3, timeout=5.0)
    return await scene.superstep(
        consumed=[row.id],
        payloads=[INPUT, INPUT],
        orders=[order],
        steps=[StepRow(scene.run_id, "fetch", "acme", 0, "worker", "running", attempts=1)],
        verdicts=[(order.id, Verdict(True, validator="schema"))],
        events=[Event(scene.run_id, "acme", "step.started", "fetch", data={"a": 1}, key="step.started/fetch")],
    )


async def counts(scene: Scene) -> dict[str, int]:
    return {table: await scene.database.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}


async def test_all_parts_are_written_together(scene: Scene) -> None:
    superstep = await full(scene)
    await write_superstep(scene.database, superstep)
    assert await inbox.read_inbox(scene.database, scene.run_id) == []
    assert await blobs.get_blobs(scene.database, "acme", [INPUT.ref]) == {INPUT.ref.sha256: INPUT.data}
    assert await steps.list_steps(scene.database, scene.run_id, tenant="acme") == superstep.steps
    (verdict,) = await verdicts.list_verdicts(scene.database, scene.run_id, tenant="acme")
    assert (verdict.attempt_id, verdict.validator, verdict.passed) == (superstep.orders[0].id, "schema", True)
    (stored,), _ = await events.read_events(scene.database, scene.run_id, tenant="acme")
    assert stored.event == superstep.events[0]
    claimed = await scene.claim()
    assert claimed is not None
    assert (claimed.order, claimed.input_value) == (superstep.orders[0], {"question": "why"})


async def test_repeating_it_is_harmless(scene: Scene) -> None:
    superstep = await full(scene)
    await write_superstep(scene.database, superstep)
    once = await counts(scene)
    claimed = await scene.claim()
    await write_superstep(scene.database, superstep)
    assert await counts(scene) == once
    (row,) = await attempts.list_attempts(scene.database, scene.run_id, tenant="acme")
    assert claimed is not None
    assert (row.status, row.token) == ("running", claimed.token)


async def test_nothing_is_written_for_one_who_owns_the_run_no_longer(scene: Scene) -> None:
    superstep = await full(scene)
    before = await counts(scene)
    assert await runs.take_ownership(scene.database, scene.run_id, new_process_id(), 60.0) is not None
    with pytest.raises(Fenced):
        await write_superstep(scene.database, superstep)
    assert await counts(scene) == before
    with pytest.raises(Fenced):
        await write_superstep(scene.database, Superstep(scene.run_id, "acme", superstep.epoch))


async def test_it_waits_for_a_take_over_that_is_under_way_and_is_fenced_by_it(scene: Scene) -> None:
    superstep = await full(scene)
    before = await counts(scene)
    async with scene.database.transaction() as connection:
        await connection.execute("UPDATE runs SET epoch = epoch + 1 WHERE id = $1", scene.run_id)
        writing = asyncio.create_task(write_superstep(scene.database, superstep))
        while not await scene.database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not writing.done()
    with pytest.raises(Fenced):
        await writing
    assert await counts(scene) == before


async def test_in_a_transaction_it_holds_off_a_take_over_and_goes_with_it(scene: Scene) -> None:
    superstep = await full(scene)
    before = await counts(scene)
    with pytest.raises(KeyError):
        async with scene.database.transaction() as connection:
            await write_superstep(connection, superstep)
            process = new_process_id()
            taking = asyncio.create_task(runs.take_ownership(scene.database, scene.run_id, process, 60.0))
            while not await scene.database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not taking.done()
            raise KeyError
    assert await taking is not None
    assert await counts(scene) == before
