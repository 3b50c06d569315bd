"""Runs: submitted once, owned by one process at a time, fenced by their epoch."""

import asyncio

import pytest

from orchestrator.domain.identity import RunId, new_process_id, new_run_id
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import Payload
from orchestrator.domain.run import RunStatus
from orchestrator.errors import Conflict, DatabaseUnavailable, Fenced, NotFound
from orchestrator.store import Database, blobs, inbox, processes, runs
from orchestrator.store.superstep import write_superstep
from tests.integration.store.scene import INPUTS, SHA, Scene, submit

DEAD_AFTER = 5.0


async def test_a_run_reads_back_as_it_was_submitted(database: Database) -> None:
    run_id = await submit(database, key="k1", priority=5)
    run = await runs.get_run(database, run_id)
    assert run is not None
    assert (run.id, run.tenant, run.workflow, run.version, run.status) == (run_id, "acme", "brief", "1.0.0", "queued")
    assert (run.workflow_sha256, run.inputs, run.priority, run.epoch) == (SHA, INPUTS.ref.sha256, 5, 0)
    assert (run.started_at, run.finished_at, run.owner, run.error) == (None, None, None, None)
    assert await runs.get_run(database, run_id, tenant="acme") == run
    assert await runs.get_run(database, run_id, tenant="other") is None


async def test_an_idempotency_key_returns_the_first_run_of_the_tenant(database: Database) -> None:
    ids = await asyncio.gather(*(submit(database, key="k1") for _ in range(8)))
    assert len(set(ids)) == 1
    assert await submit(database, tenant="other", key="k1") not in ids
    assert await submit(database) != await submit(database)


async def test_workflows_are_kept_by_their_digest(scene: Scene) -> None:
    async with scene.database.transaction() as connection:
        await runs.insert_workflow(
            connection, sha256="cd" * 32, name="brief", version="2", definition={"v": 2}, source=""
        )
    assert await runs.get_workflow(scene.database, SHA) == {"name": "brief"}
    assert await runs.get_workflow(scene.database, "00" * 32) is None


async def test_a_name_is_what_the_tenant_submitted_last(database: Database) -> None:
    async def begin(sha256: str, tenant: str = "acme", **more: RunId) -> RunId:
        async with database.transaction() as connection:
            await runs.insert_workflow(
                connection, sha256=sha256, name="brief", version="1", definition={"sha": sha256[:2]}, source=""
            )
            await blobs.put_blobs(connection, tenant, [INPUTS])
            new = runs.NewRun(new_run_id(), tenant, sha256, "brief", "1", INPUTS.ref, **more)
            return (await runs.insert_run(connection, new))[0]

    async def last(name: str = "brief", tenant: str = "acme") -> dict[str, str] | None:
        return await runs.last_submitted_workflow(database, name, tenant=tenant)

    older, newer = "aa" * 32, "bb" * 32
    for sha256 in (older, newer):
        run_id = await begin(sha256)
        assert await last() == {"sha": sha256[:2]}
    await begin(older)
    assert await last() == {"sha": "aa"}, "an older definition that is submitted again is the last one"
    await begin("cc" * 32, tenant="evil")
    await begin(newer, parent_run=run_id)
    assert await last() == {"sha": "aa"}
    assert await last(tenant="evil") == {"sha": "cc"}
    assert await last(tenant="nobody") is None
    assert await last("no") is None


async def test_of_many_that_try_one_becomes_the_owner(scene: Scene) -> None:
    mine = [new_process_id() for _ in range(8)]
    for process in mine:
        await processes.register(scene.database, process, "supervisor")
    taken = await asyncio.gather(
        *(runs.take_ownership(scene.database, scene.run_id, process, DEAD_AFTER) for process in mine)
    )
    (owned,) = [ownership for ownership in taken if ownership]
    assert (owned.epoch, owned.run.status, owned.run.owner) == (1, "running", mine[taken.index(owned)])
    assert owned.run.started_at is not None


async def test_a_dead_owner_is_replaced_and_its_writes_are_refused(scene: Scene) -> None:
    old, new = new_process_id(), new_process_id()
    await processes.register(scene.database, old, "supervisor")
    first = await runs.take_ownership(scene.database, scene.run_id, old, DEAD_AFTER)
    assert first is not None
    assert await runs.orphans(scene.database, DEAD_AFTER, 10) == []
    assert await processes.reap(scene.database, 0.0) == [old]
    assert await processes.beat(scene.database, old) is None
    assert await runs.orphans(scene.database, DEAD_AFTER, 10) == [(scene.run_id, 0)]
    second = await runs.take_ownership(scene.database, scene.run_id, new, DEAD_AFTER)
    assert second is not None
    assert second.epoch == 2
    assert second.run.started_at == first.run.started_at
    with pytest.raises(Fenced):
        async with scene.database.fenced(scene.run_id, first.epoch):
            raise AssertionError("the block must not begin")
    async with scene.database.fenced(scene.run_id, second.epoch) as connection:
        await runs.set_status(connection, scene.run_id, RunStatus.CANCELLING)
    assert not await runs.release_run(scene.database, scene.run_id, first.epoch)


async def test_a_take_over_waits_for_a_fenced_write(scene: Scene) -> None:
    process = new_process_id()
    async with scene.database.fenced(scene.run_id, 0) as connection:
        taking = asyncio.create_task(runs.take_ownership(scene.database, scene.run_id, process, DEAD_AFTER))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not await scene.database.fetchval(waiting):
            assert not taking.done()
        await runs.set_status(connection, scene.run_id, RunStatus.CANCELLING)
    ownership = await taking
    assert ownership is not None
    assert ownership.run.status == "cancelling"


async def test_a_fenced_block_that_raises_writes_nothing(scene: Scene) -> None:
    with pytest.raises(KeyError):
        async with scene.database.fenced(scene.run_id, 0) as connection:
            await runs.set_status(connection, scene.run_id, RunStatus.CANCELLING)
            raise KeyError
    run = await runs.get_run(scene.database, scene.run_id)
    assert run is not None
    assert run.status == "queued"


async def test_a_released_run_may_be_taken_at_once(scene: Scene) -> None:
    first, second = new_process_id(), new_process_id()
    await processes.register(scene.database, first, "supervisor")
    owned = await runs.take_ownership(scene.database, scene.run_id, first, DEAD_AFTER)
    assert owned is not None
    assert await runs.release_run(scene.database, scene.run_id, owned.epoch)
    assert await runs.orphans(scene.database, DEAD_AFTER, 10) == [(scene.run_id, 0)]
    assert await runs.take_ownership(scene.database, scene.run_id, second, DEAD_AFTER) is not None


async def test_an_ended_run_is_nobodys(scene: Scene) -> None:
    output = Payload.of({"ok": True})
    error = ErrorInfo("c", "error", "m", "d")
    async with scene.database.transaction() as connection:
        await runs.finish_run(connection, scene.run_id, status="failed", output=output.ref, error=error)
    run = await runs.get_run(scene.database, scene.run_id)
    assert run is not None
    assert (run.status, run.output, run.error) == ("failed", output.ref.sha256, error)
    assert run.finished_at is not None
    assert await runs.take_ownership(scene.database, scene.run_id, new_process_id(), DEAD_AFTER) is None
    assert await runs.orphans(scene.database, DEAD_AFTER, 10) == []


async def test_a_cancel_is_put_into_the_inbox_once(scene: Scene) -> None:
    process = new_process_id()
    await processes.register(scene.database, process, "supervisor")
    assert await runs.request_cancel(scene.database, scene.run_id, tenant="acme") is None
    await runs.take_ownership(scene.database, scene.run_id, process, DEAD_AFTER)
    assert await runs.request_cancel(scene.database, scene.run_id, tenant="acme") == process
    (row,) = await inbox.read_inbox(scene.database, scene.run_id)
    assert (row.kind, row.settled) == ("cancel", None)
    await write_superstep(scene.database, await scene.superstep(consumed=[row.id]))
    assert await inbox.read_inbox(scene.database, scene.run_id) == []
    async with scene.database.transaction() as connection:
        await runs.finish_run(connection, scene.run_id, status="cancelled", output=None, error=None)
    with pytest.raises(Conflict, match="cancelled"):
        await runs.request_cancel(scene.database, scene.run_id, tenant="acme")
    with pytest.raises(NotFound):
        await runs.request_cancel(scene.database, new_run_id(), tenant="acme")


async def test_nobody_cancels_the_run_of_another_tenant(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await runs.request_cancel(scene.database, scene.run_id, tenant="evil")
    assert await inbox.read_inbox(scene.database, scene.run_id) == []


async def test_a_parked_run_is_an_orphan_only_when_it_has_something_to_do(scene: Scene) -> None:
    database = scene.database
    await database.execute("UPDATE runs SET parked = true WHERE id = $1", scene.run_id)
    assert await runs.orphans(database, DEAD_AFTER, 10) == []
    await database.execute("UPDATE runs SET wake_at = now() + interval '1 h' WHERE id = $1", scene.run_id)
    assert await runs.orphans(database, DEAD_AFTER, 10) == []
    await database.execute("UPDATE runs SET wake_at = now() WHERE id = $1", scene.run_id)
    assert await runs.orphans(database, DEAD_AFTER, 10) == [(scene.run_id, 0)]
    await database.execute("UPDATE runs SET wake_at = NULL WHERE id = $1", scene.run_id)
    await runs.request_cancel(database, scene.run_id, tenant="acme")
    assert await runs.orphans(database, DEAD_AFTER, 10) == [(scene.run_id, 0)]


async def test_the_inboxes_of_many_runs_are_looked_at_together(scene: Scene) -> None:
    other = await submit(scene.database)
    await runs.request_cancel(scene.database, scene.run_id, tenant="acme")
    assert await inbox.unread_of(scene.database, [scene.run_id, other, new_run_id()]) == {scene.run_id}
    assert await inbox.unread_of(scene.database, []) == set()


async def test_runs_are_found_by_the_beginning_of_their_id(database: Database) -> None:
    run_id = await submit(database)
    text = str(run_id)
    for prefix in (text[:8], text[:11], text, text.replace("-", ""), text[:9].upper()):
        assert [run.id for run in await runs.find_runs(database, prefix, tenant="acme")] == [run_id]
    assert await runs.find_runs(database, text[:8], tenant="other") == []
    for prefix in ("", "xyz", text + "0", "'; --"):
        assert await runs.find_runs(database, prefix, tenant="acme") == []


async def test_runs_are_listed_by_tenant_and_status(database: Database) -> None:
    first, second, other = await submit(database), await submit(database), await submit(database, tenant="b")

    async def ids(tenant: str | None, status: str | None = None, limit: int = 50) -> list[RunId]:
        return [run.id for run in await runs.list_runs(database, tenant=tenant, status=status, limit=limit)]

    assert await ids("acme") == [second, first]
    assert await ids(None) == [other, second, first]
    assert await ids("acme", limit=1) == [second]
    assert await ids("acme", "running") == []


async def test_a_process_that_is_frozen_in_a_transaction_holds_nothing_up_for_long(scene: Scene) -> None:
    first, second = new_process_id(), new_process_id()
    await processes.register(scene.database, first, "supervisor")
    await processes.register(scene.database, second, "supervisor")
    owned = await runs.take_ownership(scene.database, scene.run_id, first, 5.0)
    assert owned is not None
    with pytest.raises(DatabaseUnavailable):
        async with scene.database.fenced(RunId(scene.run_id), owned.epoch) as frozen:
            await scene.database.execute("DELETE FROM processes WHERE id = $1", first)
            async with asyncio.timeout(10):
                taken = await runs.take_ownership(scene.database, scene.run_id, second, 5.0)
            assert taken is not None and taken.epoch == owned.epoch + 1
            await frozen.execute("SELECT 1")
