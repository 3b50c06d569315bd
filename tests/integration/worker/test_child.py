"""`process=True`: CPU-bound code in a child that is killed when it must stop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from dataclasses import asdict

import pytest

from orchestrator.domain.identity import new_run_id
from orchestrator.store import Database, attempts
from orchestrator.worker.context import Assignment
from orchestrator.worker.frames import read_frame, write_frame
from tests.integration.worker.scene import Scene, eventually, serving


async def test_the_code_runs_in_another_process_and_is_heard(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.child")
        pid = await scene.output(row)
        events = [each.event for each in await scene.events(row.id)]
    assert pid != os.getpid()
    assert row.heartbeat == {"step": "pid"}
    assert row.progress == pytest.approx(0.3)
    assert {"level": "info", "message": "in the child", "fields": {"pid": pid}} in [each.data for each in events]


@pytest.mark.parametrize(
    ("what", "code", "message"),
    [
        ("raise", "lookup", "nothing there"),
        ("exit", "child_died", "exit status 9"),
        ("kill", "child_died", "killed by SIGSEGV"),
        ("model", "not_in_child", "cannot call models"),
    ],
)
async def test_how_a_child_can_fail(scene: Scene, what, code, message):
    async with serving(scene):
        row = await scene.outcome("r.child", {"what": what})
    assert row.status == "failed"
    assert row.error.code == code
    assert message in row.error.message


async def test_effects_and_secrets_work_in_a_child(scene: Scene):
    async with serving(scene, environ={"KEY": "sesame-open"}):
        row = await scene.outcome("r.child", {"what": "effect"})
        assert await scene.output(row) == {"paid": 3}
        row = await scene.outcome("r.child", {"what": "secret"}, step="t", options={"secrets": ["KEY"]})
        assert await scene.output(row) == "[redacted]"


@pytest.mark.parametrize(("name", "value"), [("r.child", {"what": "database"}), ("r.database", {})])
async def test_a_worker_reaches_the_projects_database_in_a_child_and_without(scene: Scene, name: str, value: object):
    async with serving(scene):
        row = await scene.outcome(name, value)
        expected = await scene.database.fetchval("SELECT current_database()::text")
        assert await scene.output(row) == expected


async def test_a_child_is_killed_at_its_timeout(scene: Scene):
    async with serving(scene):
        row = await scene.outcome("r.child", {"what": "hang"}, timeout=3.0)
    assert row.status == "timed_out"
    assert row.heartbeat == {"step": "hang"}


async def test_a_child_is_killed_when_its_run_is_cancelled(scene: Scene, database: Database):
    async with serving(scene):
        identity = await scene.order("r.child", {"what": "hang"})

        async def speaking() -> int | None:
            lines = [each.event.data for each in await scene.events(identity) if each.event.kind == "attempt.log"]
            return lines[0]["fields"]["pid"] if lines else None

        pid = await eventually(speaking)
        async with database.transaction() as connection:
            await attempts.cancel_attempts(connection, scene.run_id)
        row = await scene.ended(identity)
        assert row.status == "cancelled"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert time.time() - row.finished_at < 5


async def test_a_child_ends_when_its_worker_process_is_gone():
    ours, theirs = socket.socketpair()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator.worker.child_process", str(theirs.fileno()), pass_fds=[theirs.fileno()]
    )
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours)
    assignment = asdict(Assignment(run_id=new_run_id(), step="s")) | {"run_id": str(new_run_id())}
    job = {
        "path": sys.path,
        "module": "tests.integration.worker.specialists",
        "attribute": "child",
        "assignment": assignment,
        "value": {"what": "hang"},
        "secrets": {},
        "database_url": "",
        "max_bytes": 1_000,
        "memory_mb": None,
    }
    write_frame(writer, job)
    assert await read_frame(reader) == {"say": "heartbeat", "details": {"step": "hang"}}
    writer.close()
    assert await asyncio.wait_for(process.wait(), 10) == 1
