"""Supervisors with default settings: killed, frozen for two seconds, told to stop, with runs that wait for people."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import asyncpg
import pytest

from orchestrator import Orchestrator, RunHandle
from tests.acceptance.project import Project

pytestmark = pytest.mark.slow

ASK = """
api: orchestrator/v1
name: ask
version: 1.0.0
outputs: {ok: "${{ steps.ask.output.ok }}"}
steps:
  ask: {kind: human, form: {type: object, required: [ok], properties: {ok: {type: boolean}}}}
"""
PARENT = """
api: orchestrator/v1
name: parent
version: 1.0.0
steps:
  call: {kind: workflow, uses: ./ask.yaml}
"""
RUNS = 30
OWNERS = "SELECT owner, epoch FROM orchestrator.runs WHERE finished_at IS NULL"


class DefaultProject(Project):
    """A project whose processes have the settings that everybody gets, but for those that a test names."""

    def __init__(self, *arguments: Any, **settings: str) -> None:
        super().__init__(*arguments)
        self.settings = settings
        (self.root / "graphs/ask.yaml").write_text(ASK)
        (self.root / "graphs/parent.yaml").write_text(PARENT)

    @property
    def environment(self) -> dict[str, str]:
        """Without what the other acceptance tests set."""
        kept = {key: value for key, value in super().environment.items() if not key.startswith("ORCHESTRATOR_")}
        return kept | {"ORCHESTRATOR_DATABASE_URL": self.database_url} | self.settings


@pytest.fixture
def project(database_url: str, tmp_path: Any) -> Iterator[DefaultProject]:
    """A project with default settings."""
    yield DefaultProject(tmp_path, database_url)


async def owners(project: Project) -> list[asyncpg.Record]:
    """Who owns each unfinished run."""
    connection = await asyncpg.connect(project.database_url)
    try:
        return await connection.fetch(OWNERS)
    finally:
        await connection.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> float:
    """Seconds until a condition holds."""
    begun = time.perf_counter()
    async with asyncio.timeout(40):
        while not await holds():  # noqa: ASYNC110 - rows
            await asyncio.sleep(0.05)
    return time.perf_counter() - begun


async def begin(project: Project, graph: str, runs: int) -> list[str]:
    """Begin runs, and wait until each of them asks somebody."""
    async with Orchestrator.connect(database=project.database_url) as app:
        handles = [await app.submit(project.root / "graphs" / graph) for _ in range(runs)]
        await until(lambda: _asks(app, runs))
        return [str(handle.id) for handle in handles]


async def _asks(app: Orchestrator, runs: int) -> bool:
    return len(await app.questions()) == runs


async def answer(project: Project, ids: list[str]) -> None:
    """Answer every question; every run then succeeds."""
    async with Orchestrator.connect(database=project.database_url) as app:
        handles: list[RunHandle] = [await app.handle(run_id) for run_id in ids]
        for handle in handles:
            await handle.answer(step="ask", value={"ok": True})
        results = [await handle.result(timeout=30) for handle in handles]
    assert {result.status for result in results} == {"succeeded"}


async def test_a_killed_supervisor_is_taken_over_within_ten_seconds(project):
    with project.process("supervisor") as victim:
        ids = await begin(project, "ask.yaml", RUNS)
        (dead,) = {row["owner"] for row in await owners(project)}
        with project.process("supervisor"):
            await asyncio.sleep(2.0)  # it has started, and has nothing to do

            async def elsewhere() -> bool:
                return all(row["owner"] not in {None, dead} for row in await owners(project))

            victim.send_signal(signal.SIGKILL)
            assert await until(elsewhere) < 8.0
            await answer(project, ids)


async def test_two_seconds_of_silence_kill_nobody(project):
    with project.process("supervisor") as frozen, project.process("supervisor"):
        ids = await begin(project, "ask.yaml", RUNS)
        before = await owners(project)
        frozen.send_signal(signal.SIGSTOP)
        await asyncio.sleep(2.0)
        frozen.send_signal(signal.SIGCONT)
        await asyncio.sleep(3.0)  # as long as it takes to be declared dead, had it been
        assert sorted(await owners(project)) == sorted(before)
        await answer(project, ids)


async def test_a_stopping_supervisor_hands_back_families_and_leaves_parked_runs_alone(database_url, tmp_path):
    project = DefaultProject(tmp_path, database_url, ORCHESTRATOR_SUPERVISOR_PARK_AFTER="3")
    with project.process("supervisor") as stopping:
        asleep = await begin(project, "parent.yaml", 1)

        async def parked() -> bool:
            return all(row["owner"] is None for row in await owners(project))

        await until(parked)
        awake = await _begin_another(project)
        stopping.send_signal(signal.SIGTERM)
        begun = time.perf_counter()
        assert await asyncio.to_thread(stopping.wait, 20) == 0
        assert time.perf_counter() - begun < 10.0
    assert "handed back 2 runs" in (project.root / "supervisor.log").read_text()
    assert await parked()
    with project.process("supervisor"):
        await answer(project, [*asleep, *awake])


async def _begin_another(project: Project) -> list[str]:
    async with Orchestrator.connect(database=project.database_url) as app:
        handle = await app.submit(project.root / "graphs/parent.yaml")
        await until(lambda: _asks(app, 2))
    return [str(handle.id)]
