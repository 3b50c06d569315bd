"""`orchestrator up`: a pool grows under a burst and shrinks again, and nothing is left behind, however it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator import Orchestrator
from orchestrator.store import Database
from orchestrator.store.processes import list_processes
from tests.acceptance.project import Project

pytestmark = pytest.mark.slow
CONFIG = """
supervisor: {worker_dead_after: 4}
scaling:
  interval: 0.2
  default: {max: 3, target_wait: 0.5, cool_down: 3, concurrency: 8}
  pools:
    agents: {max: 1}
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Project:
    made = Project(tmp_path, database_url)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/default.yaml").write_text(CONFIG)
    return made


@pytest.fixture
async def looked_at(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, size=2)
    yield database
    await database.close()


async def workers(database: Database) -> list[int]:
    return [row.pid for row in await list_processes(database) if row.kind == "worker"]


async def until_there_are(database: Database, count: int) -> list[int]:
    async with asyncio.timeout(30):
        while len(found := await workers(database)) != count:  # noqa: ASYNC110 - other processes write
            await asyncio.sleep(0.05)
    return found


def said(project: Project) -> str:
    return (project.root / "up.log").read_text()


async def submit(project: Project, pieces: int, seconds: float = 0.1) -> str:
    (project.root / "graphs/burst.yaml").write_text(
        "api: orchestrator/v1\nname: burst\nversion: 1.0.0\ninputs: {pieces: {type: array}}\nsteps:\n  all:\n"
        "    kind: worker\n    worker: slow.copy\n"
        '    foreach: {items: "${{ inputs.pieces }}", as: piece}\n'
        f'    with: {{number: "${{{{ piece }}}}", seconds: {seconds}}}\n'
    )
    settings = {"ORCHESTRATOR_DATABASE_URL": project.database_url}
    async with Orchestrator.open(project.root, environ=settings, serve=False) as app:
        return str((await app.submit("burst", {"pieces": list(range(pieces))})).id)


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_pool_grows_under_a_burst_and_shrinks_to_nothing(project: Project, looked_at: Database) -> None:
    with project.process("up") as running:
        run_id = await submit(project, 200, seconds=0.5)
        result, _ = await project.finished(run_id)
        assert result.status == "succeeded"
        await until_there_are(looked_at, 0)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0
    changes = [(int(one), int(two)) for one, two in re.findall(r"slow: (\d+) → (\d+) processes", said(project))]
    assert changes[0] == (0, 1)
    assert max(wanted for _, wanted in changes) in (2, 3)
    assert changes[-1][1] == 0
    turned = [now for now, (before, after) in enumerate(changes) if after < before]
    assert turned == list(range(turned[0], len(changes)))  # up, then down, never to and fro
    assert "agents" not in said(project)
    assert not await list_processes(looked_at)


async def test_the_processes_end_with_up_when_it_is_killed(project: Project, looked_at: Database) -> None:
    with project.process("up") as running:
        await submit(project, 12, seconds=3.0)
        await until_there_are(looked_at, 1)
        await project.began(1)
        everybody = [row.pid for row in await list_processes(looked_at)]
        assert len(everybody) == 2
        running.kill()
        await asyncio.to_thread(running.wait)
        async with asyncio.timeout(40):
            while any(is_there(pid) for pid in everybody):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    # They did not just vanish: the worker finished what it held, and the supervisor handed its run back.
    assert not await list_processes(looked_at)
    held = await looked_at.fetchval("SELECT count(*) FROM attempts WHERE status IN ('running', 'lost')")
    assert held == 0


async def test_a_killed_worker_is_replaced_and_a_second_up_is_refused(project: Project, looked_at: Database) -> None:
    with project.process("up") as running:
        run_id = await submit(project, 8, seconds=1.0)
        worker = (await until_there_are(looked_at, 1))[0]
        await project.began(1)
        os.kill(worker, signal.SIGKILL)
        refused = await asyncio.to_thread(project.command, "up", check=2)
        assert "another `orchestrator up` keeps the processes" in refused.stderr
        result, _ = await project.finished(run_id)
        assert result.status == "succeeded"
        running.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(running.wait, 30) == 0
    assert re.search(r"slow-1 was killed by signal 9 after .* next try in 0.5 s", said(project))


async def test_a_worker_that_does_not_come_up_is_named_with_its_last_words(project: Project) -> None:
    code = project.root / "workers/slow.py"
    with project.process("up") as running:
        async with asyncio.timeout(30):
            while "serving" not in (said(project) + _log(project, "supervisor-1")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await submit(project, 1)
        code.write_text(code.read_text() + "\nraise RuntimeError('half a deployment')\n")
        async with asyncio.timeout(40):
            while said(project).count("slow-1 ended") < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0
    text = said(project)
    assert re.search(r"slow-1 \| error.*half a deployment", text)
    assert "it said: " in text
    assert "3 times in a row: it does not come up; next try in 2 s" in text
    assert "slow-1.log" in text


def _log(project: Project, name: str) -> str:
    file = project.root / f".orchestrator/logs/{name}.log"
    return file.read_text() if file.exists() else ""


async def test_a_process_has_its_health_file_while_it_serves(project: Project) -> None:
    for kind in (("supervisor",), ("worker", "--pool", "slow")):
        file = project.root / f"{kind[0]}.health"
        with project.process(*kind, "--health-file", file.name) as running:
            async with asyncio.timeout(30):
                while not file.exists():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            running.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.wait, 30) == 0
        assert not file.exists()
