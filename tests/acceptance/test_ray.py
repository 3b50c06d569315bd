"""`orchestrator worker --on ray` on a real cluster: it grows and shrinks, and a node that dies loses nothing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.store import Database
from orchestrator.store.processes import list_processes
from tests.acceptance.project import Project
from tests.acceptance.ray_nodes import RayNodes, command_of, descendants, environment_of, parents, ray_nodes

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CONFIG = """
supervisor: {worker_dead_after: 4}
worker: {lease: 3, grace: 6}
scaling:
  interval: 0.2
  default: {max: 4, target_wait: 0.5, cool_down: 3, concurrency: 4}
  pools:
    slow: {min: 0, resources: {cpu: 0.5, custom: {bench: 1}}}
    wide: {resources: {cpu: 0, gpu: 8}}
    seeing: {max: 1, resources: {cpu: 0, gpu: 1}}
"""

SEEING = '''
"""Workers for which there is hardly a place."""

import os

from pydantic import BaseModel

from orchestrator import worker


class Nothing(BaseModel):
    pass


class Seen(BaseModel):
    gpus: str


@worker("wide.look", pool="wide")
async def wide(input: Nothing) -> Seen:
    return Seen(gpus="")


@worker("seeing.look", pool="seeing")
async def look(input: Nothing) -> Seen:
    return Seen(gpus=os.environ["CUDA_VISIBLE_DEVICES"])
'''


@pytest.fixture(scope="module")
def nodes() -> Iterator[RayNodes]:
    with ray_nodes() as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path: Path, database_url: str, nodes: RayNodes) -> Project:
    made = Project(tmp_path, database_url)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/default.yaml").write_text(CONFIG)
    (tmp_path / "workers/seeing.py").write_text(SEEING)
    return made


@pytest.fixture
async def looked_at(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, size=2)
    yield database
    await database.close()


async def workers(database: Database) -> list[int]:
    return [row.pid for row in await list_processes(database) if row.kind == "worker"]


async def until_there_are(database: Database, count: int, seconds: float = 40) -> list[int]:
    async with asyncio.timeout(seconds):
        while len(found := await workers(database)) != count:  # noqa: ASYNC110 - other processes write
            await asyncio.sleep(0.05)
    return found


def on_ray(project: Project, nodes: RayNodes, *pools: str, options: tuple[str, ...] = ()) -> Any:
    named = [part for pool in pools for part in ("--pool", pool)]
    return project.process("worker", *named, "--on", "ray", "--ray-address", nodes.address, *options)


def said(project: Project) -> str:
    return "".join(log.read_text() for log in project.root.glob("worker-*.log"))


async def until_said(project: Project, words: str, seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while words not in said(project):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)


def change(project: Project, before: str, after: str) -> None:
    config = project.root / "configs/default.yaml"
    assert before in config.read_text()
    config.write_text(config.read_text().replace(before, after))


async def until_another(database: Database, known: int) -> int:
    async with asyncio.timeout(40):
        while not (others := set(await workers(database)) - {known}):  # noqa: ASYNC110 - other processes write
            await asyncio.sleep(0.05)
    return others.pop()


async def submit(project: Project, pieces: int, seconds: float = 0.5, worker: str = "slow.copy") -> str:
    name = worker.partition(".")[0]
    given = '{number: "${{ piece }}", seconds: "${{ inputs.seconds }}"}' if name == "slow" else "{}"
    (project.root / f"graphs/{name}.yaml").write_text(
        f"api: orchestrator/v1\nname: {name}\nversion: 1.0.0\n"
        "inputs: {pieces: {type: array}, seconds: {type: number}}\n"
        "outputs: {all: '${{ steps.all.output }}'}\n"
        "policies: {again: {retry: {max_attempts: 5, errors: [worker_lost], backoff: {initial: 100ms}}}}\n"
        f"steps:\n  all:\n    kind: worker\n    worker: {worker}\n    policy: again\n"
        f'    foreach: {{items: "${{{{ inputs.pieces }}}}", as: piece}}\n    with: {given}\n'
    )
    settings = {"ORCHESTRATOR_DATABASE_URL": project.database_url}
    async with Orchestrator.open(project.root, environ=settings, serve=False) as app:
        return str((await app.submit(name, {"pieces": list(range(pieces)), "seconds": seconds})).id)


async def test_a_pool_grows_on_the_nodes_that_have_its_resource_and_shrinks_to_nothing(
    project: Project, nodes: RayNodes, looked_at: Database
) -> None:
    with project.process("supervisor"), on_ray(project, nodes, "slow") as running:
        await until_said(project, "passed to the workers")
        submitted = time.monotonic()
        run_id = await submit(project, 240, seconds=1.0)
        await project.began(1)
        print(f"first claim {time.monotonic() - submitted:.1f} s after the run was submitted")
        everybody = await until_there_are(looked_at, 4)
        print(f"four processes {time.monotonic() - submitted:.1f} s after the run was submitted")
        assert set(everybody) <= nodes.processes(1) | nodes.processes(2)
        assert all(set(everybody) & nodes.processes(node) for node in (1, 2))
        result, _ = await project.finished(run_id)
        assert result.status == "succeeded"
        await until_there_are(looked_at, 0)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0
    changes = [(int(one), int(two)) for one, two in re.findall(r"slow: (\d+) → (\d+) processes", said(project))]
    assert changes[0] == (0, 1)
    assert changes[-1][1] == 0
    assert max(wanted for _, wanted in changes) == 4
    assert "nothing was left behind" in said(project)


async def test_a_node_that_dies_loses_and_doubles_nothing(
    project: Project, nodes: RayNodes, looked_at: Database
) -> None:
    change(project, "slow: {min: 0", "slow: {min: 4")
    with project.process("supervisor"), on_ray(project, nodes, "slow"):
        await until_there_are(looked_at, 4)
        run_id = await submit(project, 160, seconds=1.0)
        await project.began(16)
        node = nodes.processes(1)
        lost = set(await workers(looked_at)) & node
        assert lost
        killed = time.monotonic()
        for pid in node:  # the machine is switched off
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(60):
            while lost & set(found := await workers(looked_at)) or len(found) < 4:  # noqa: ASYNC110 - others write
                await asyncio.sleep(0.05)
        print(f"four processes again {time.monotonic() - killed:.1f} s after {len(lost)} of them died with their node")
        assert set(found) <= nodes.processes(2)
        result, _ = await project.finished(run_id)
        assert result.status == "succeeded"
        assert [piece["number"] for piece in result.output["all"]] == list(range(160))
    tries = await looked_at.fetch("SELECT array_agg(status ORDER BY number) AS of FROM attempts GROUP BY item")
    assert len(tries) == 160
    assert all(each["of"].count("succeeded") == 1 and each["of"][-1] == "succeeded" for each in tries)
    assert {status for each in tries for status in each["of"]} == {"succeeded", "lost"}
    assert not await workers(looked_at)


async def test_what_holds_an_attempt_finishes_it_or_hands_it_back(
    project: Project, nodes: RayNodes, looked_at: Database
) -> None:
    change(project, "grace: 6", "grace: 2")
    with project.process("supervisor"), on_ray(project, nodes, "slow") as running:
        await submit(project, 2, seconds=1.0)
        handed_back = await submit(project, 1, seconds=90.0)
        await project.began(3)
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0
        assert not await workers(looked_at)
        counted = await looked_at.fetch("SELECT status, count(*) FROM attempts GROUP BY status")
        assert dict(map(tuple, counted)) in ({"succeeded": 2, "lost": 1, "queued": 1}, {"succeeded": 2, "lost": 1})
        await asyncio.to_thread(project.command, "runs", "cancel", handed_back)
    assert "nothing was left behind" in said(project)


async def test_a_killed_command_leaves_no_worker_and_loses_nothing(
    project: Project, nodes: RayNodes, looked_at: Database
) -> None:
    with project.process("supervisor"), on_ray(project, nodes, "slow") as running:
        run_id = await submit(project, 4, seconds=3.0)
        await project.began(4)
        before = descendants(running.pid)
        running.kill()
        await asyncio.to_thread(running.wait)
        await until_there_are(looked_at, 0)
        async with asyncio.timeout(30):
            while before & set(parents()):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.05)
        result, _ = await project.finished(run_id)
        assert result.status == "succeeded"
    assert await looked_at.fetchval("SELECT count(*) FROM attempts") == 4


async def test_the_worker_process_and_its_actor_are_each_made_anew_once(
    project: Project, nodes: RayNodes, looked_at: Database
) -> None:
    change(project, "slow: {min: 0", "slow: {min: 1")
    with on_ray(project, nodes, "slow"):
        first = (await until_there_are(looked_at, 1))[0]
        os.kill(first, signal.SIGKILL)
        await until_said(project, "slow-1 was killed by signal 9")
        second = await until_another(looked_at, first)
        assert parents()[second] in descendants(nodes.raylets[1]) | descendants(nodes.raylets[2])
        os.kill(parents()[second], signal.SIGKILL)
        await until_said(project, "slow-1 ended after")
        await until_another(looked_at, second)
        async with asyncio.timeout(30):
            while second in parents():  # noqa: ASYNC110 - it hears that its actor is gone
                await asyncio.sleep(0.05)
        assert len(await workers(looked_at)) == 1


async def test_what_finds_no_place_is_told_once_and_a_gpu_is_counted(
    project: Project, nodes: RayNodes, looked_at: Database
) -> None:
    with project.process("supervisor"), on_ray(project, nodes, "wide", "seeing"):
        seen = await submit(project, 1, worker="seeing.look")
        result, _ = await project.finished(seen)
        assert [each["gpus"] for each in result.output["all"]] == ["0"]
        waiting = await submit(project, 40, worker="wide.look")
        words = "wide: 1 of 1 actors find no place: each needs 8 GPU; no node has more than 1 GPU"
        await until_said(project, words)
        await asyncio.sleep(5)  # the oldest attempt waits far beyond the target
        assert said(project).count("find no place") == 1
        assert not re.search(r"wide: [1-9]\d* →", said(project))
        await asyncio.to_thread(project.command, "runs", "cancel", waiting)
        await until_there_are(looked_at, 0)


async def test_the_project_is_sent_without_secrets_and_the_environment_goes_past_ray(
    project: Project, nodes: RayNodes, looked_at: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_KEY", "very-secret-indeed")
    (project.root / ".env").write_text("SEARCH_KEY=very-secret-indeed\n")
    change(project, "slow: {min: 0", "slow: {min: 1")
    with on_ray(project, nodes, "slow", options=("--ship", "--env", "SEARCH_KEY")):
        worker = (await until_there_are(looked_at, 1))[0]
        words = command_of(worker)
        there = Path(words[words.index("--project") + 1])
        assert there != project.root
        assert (there / "workers/slow.py").is_file()
        assert not (there / ".env").exists()
        assert "SEARCH_KEY=very-secret-indeed" in environment_of(worker)
    assert "SEARCH_KEY" in said(project)
    assert "very-secret-indeed" not in said(project)
    written = [file for file in nodes.folder.rglob("*") if file.is_file()]
    assert len(written) > 20
    assert not [file for file in written if b"very-secret-indeed" in file.read_bytes()]


async def test_the_command_waits_for_a_cluster_that_went_away(
    project: Project, looked_at: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "12")  # Ray's own patience, else a minute
    change(project, "slow: {min: 0", "slow: {min: 1")
    with ray_nodes() as nodes, on_ray(project, nodes, "slow") as running:
        first = (await until_there_are(looked_at, 1))[0]
        os.kill(nodes.raylets[0], signal.SIGKILL)  # of the node that the command is connected to
        await until_said(project, "this machine is no longer a node of the Ray cluster")
        await until_another(looked_at, first)
        for pid in descendants(nodes.cluster):
            os.kill(pid, signal.SIGKILL)
        await until_said(project, "Ray does not answer: nothing can grow or shrink")
        await until_said(project, "with exit code 1")
        await until_said(project, "no Ray cluster answers at")
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(running.wait, 30) == 0
    refused = await asyncio.to_thread(project.command, "worker", "--on", "ray", "--ray-address", nodes.address, check=3)
    assert "no Ray cluster answers at" in refused.stderr
