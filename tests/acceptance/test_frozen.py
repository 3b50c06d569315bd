"""A worker process that was frozen goes on; it is not taken for one whose code blocks the event loop."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.acceptance.project import Project

pytestmark = pytest.mark.slow


async def test_a_worker_that_was_frozen_for_longer_than_its_lease_serves_on(database_url, tmp_path):
    project = Project(tmp_path, database_url)
    with project.process("supervisor"), project.process("worker", "--pool", "slow") as worker:
        run_id = project.submit(4)
        await project.holds(worker)
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(6)  # twice the lease
        worker.send_signal(signal.SIGCONT)
        result, trace = await project.finished(run_id)
        assert worker.poll() is None
    assert (result.status, result.output) == ("succeeded", {"total": 4})
    assert any(row.status == "lost" for row in trace.attempts), "it held nothing when it was frozen"
