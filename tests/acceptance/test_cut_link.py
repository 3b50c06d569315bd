"""Workers in another network, whose way to Postgres is cut for twenty seconds: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from collections import Counter

import asyncpg
import pytest

from orchestrator.queue import install
from orchestrator.store import migrate
from tests.acceptance.network import MISSING, linked, listening
from tests.acceptance.project import Project

PIECES = 16
CUT = 20.0


@pytest.mark.slow
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
async def test_a_cut_link_loses_nothing(server_folder, tmp_path, monkeypatch):
    with linked() as link, listening(server_folder / "postgres", link, monkeypatch) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE DATABASE cut")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        near = server.url.replace("/postgres?", "/cut?", 1)
        await migrate(near, [install])
        project = Project(tmp_path, near)
        far = {"ORCHESTRATOR_DATABASE_URL": f"postgresql://postgres@{link.ours}:5432/cut"}
        arguments = ("worker", "--pool", "slow", "--concurrency", "4")
        with (
            project.process("supervisor"),
            project.process(*arguments, prefix=link.prefix, environment=far) as worker,
        ):
            run = project.submit(PIECES)
            await project.began(6)
            link.cut()
            await asyncio.sleep(CUT)
            before = project.journal.read_text()
            link.mend()
            result, trace = await project.finished(run)
            assert worker.poll() is None, "the worker's process ended"
    assert result.status == "succeeded", result.error
    ends = Counter((row.step, row.item) for row in trace.attempts if row.status == "succeeded" and not row.superseded)
    assert set(ends.values()) == {1}
    assert len(ends) == 2 * PIECES
    assert {row.status for row in trace.attempts} <= {"succeeded", "lost"}
    assert any(row.status == "lost" for row in trace.attempts), "the cut was not felt"
    assert before.count("begin") < PIECES, "the worker went on without the database"
