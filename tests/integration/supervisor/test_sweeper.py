"""The sweeper: who counts as dead, and when it keeps from saying so."""

from __future__ import annotations

from orchestrator.domain.identity import ProcessId, RunId, new_process_id
from orchestrator.queue import Notifier
from orchestrator.settings import SupervisorSettings
from orchestrator.store import Database, processes, runs
from orchestrator.supervisor.signals import Signals
from orchestrator.supervisor.sweeper import Sweeper
from tests.integration.store.scene import submit

SETTINGS = SupervisorSettings()
QUEUED = "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'run'"


class Clock:
    """A clock that stands still unless it is moved."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def silent(database: Database, kind: str, seconds: float) -> ProcessId:
    """A process that was last heard of so long ago."""
    process = new_process_id()
    await processes.register(database, process, kind)
    await database.execute(
        "UPDATE processes SET heartbeat_at = now() - make_interval(secs => $2) WHERE id = $1", process, seconds
    )
    return process


async def owned_by(database: Database, process: ProcessId) -> RunId:
    """A run of that process."""
    run_id = await submit(database)
    assert await runs.take_ownership(database, run_id, process, SETTINGS.dead_after) is not None
    return run_id


def sweeper(database: Database, notifier: Notifier, clock: Clock) -> Sweeper:
    return Sweeper(database, Signals(notifier), notifier, SETTINGS, clock)


async def alive(database: Database) -> set[ProcessId]:
    return {row.id for row in await processes.list_processes(database)}


async def test_workers_may_be_silent_for_longer_than_supervisors(database: Database) -> None:
    clock = Clock()
    dead, worker = await silent(database, "supervisor", 6.0), await silent(database, "worker", 6.0)
    lost = await silent(database, "worker", 9.0)
    assert {dead, worker, lost} == await alive(database)
    async with Notifier(database.pool) as notifier:
        await sweeper(database, notifier, clock).sweep([])
    assert await alive(database) == {worker}


async def test_the_next_sweep_comes_when_somebody_is_about_to_count_as_dead(database: Database) -> None:
    async with Notifier(database.pool) as notifier:
        waits = sweeper(database, notifier, Clock())
        assert await waits.pause() == SETTINGS.sweep
        await silent(database, "supervisor", SETTINGS.dead_after - 0.3)
        assert 0.05 <= await waits.pause() < 0.4
        await silent(database, "supervisor", 60.0)
        assert await waits.pause() == 0.05


async def test_whoever_was_held_up_gives_others_time_to_be_heard_of(database: Database) -> None:
    clock = Clock()
    other = await silent(database, "supervisor", 0.0)
    run_id = await owned_by(database, other)
    async with Notifier(database.pool) as notifier:
        held_up = sweeper(database, notifier, clock)
        await held_up.sweep([])
        clock.now += 10.0  # the database was away, for everybody
        await database.execute("UPDATE processes SET heartbeat_at = now() - interval '10 seconds'")
        await held_up.sweep([])
        assert (await alive(database), await database.fetchval(QUEUED)) == ({other}, 0)
        for _ in range(5):
            clock.now += 1.0
            await held_up.sweep([])
        assert (await alive(database), await database.fetchval(QUEUED)) == (set(), 1), "it is dead indeed"
    assert await runs.orphans(database, SETTINGS.dead_after, 10) == [(run_id, 0)]
