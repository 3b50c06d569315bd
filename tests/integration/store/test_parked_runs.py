"""Rows of parked runs: refused while something is unread, fenced, woken by their inbox or their timer."""

from __future__ import annotations

import time

import pytest

from orchestrator.domain.identity import new_process_id, new_run_id
from orchestrator.errors import Fenced
from orchestrator.store import Database, processes, runs
from orchestrator.store.parking import park_run, release_runs, unowned
from tests.integration.store.scene import submit

DEAD_AFTER = 5.0


@pytest.fixture
async def owned(database: Database) -> runs.Ownership:
    """A run that a live process owns."""
    process = new_process_id()
    await processes.register(database, process, "supervisor")
    ownership = await runs.take_ownership(database, await submit(database), process, DEAD_AFTER)
    assert ownership is not None
    return ownership


async def test_a_parked_run_has_no_owner_and_is_no_orphan(database: Database, owned: runs.Ownership) -> None:
    run_id = owned.run.id
    assert await park_run(database, run_id, owned.epoch, None)
    row = await runs.get_run(database, run_id)
    assert row is not None
    assert (row.parked, row.owner, row.wake_at, row.status) == (True, None, None, "running")
    assert await runs.orphans(database, DEAD_AFTER, 10) == []


async def test_its_inbox_wakes_it(database: Database, owned: runs.Ownership) -> None:
    await park_run(database, owned.run.id, owned.epoch, None)
    assert await runs.request_cancel(database, owned.run.id, tenant="acme") is None
    assert await runs.orphans(database, DEAD_AFTER, 10) == [(owned.run.id, 0)]


async def test_its_timer_wakes_it(database: Database, owned: runs.Ownership) -> None:
    await park_run(database, owned.run.id, owned.epoch, time.time() - 1)
    assert await runs.orphans(database, DEAD_AFTER, 10) == [(owned.run.id, 0)]
    again = await runs.take_ownership(database, owned.run.id, new_process_id(), DEAD_AFTER)
    assert again is not None
    assert (again.epoch, again.run.parked, again.run.wake_at) == (owned.epoch + 1, False, None)


async def test_what_is_unread_keeps_it_from_being_parked(database: Database, owned: runs.Ownership) -> None:
    await runs.request_cancel(database, owned.run.id, tenant="acme")
    assert not await park_run(database, owned.run.id, owned.epoch, None)
    row = await runs.get_run(database, owned.run.id)
    assert row is not None
    assert (row.parked, row.owner) == (False, owned.run.owner)


async def test_only_its_owner_parks_it(database: Database, owned: runs.Ownership) -> None:
    with pytest.raises(Fenced):
        await park_run(database, owned.run.id, owned.epoch - 1, None)
    with pytest.raises(Fenced):
        await park_run(database, new_run_id(), 1, None)


async def test_runs_are_handed_back_together(database: Database, owned: runs.Ownership) -> None:
    other = await submit(database, priority=3)
    async with database.transaction() as connection:
        assert await unowned(connection, [owned.run.id, other]) == [(other, 3)]
        free = await release_runs(connection, [(owned.run.id, owned.epoch), (other, 7)])
    assert free == [(owned.run.id, 0)]
    async with database.transaction() as connection:
        assert len(await unowned(connection, [owned.run.id, other])) == 2
        assert await release_runs(connection, []) == []
