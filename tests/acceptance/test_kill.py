"""Real processes, killed with -9 in the middle: the run succeeds, and nothing that was settled runs again."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from tests.acceptance.project import Project

PIECES = 10
pytestmark = pytest.mark.slow


def settled_once(trace) -> None:
    """Every item succeeded exactly once, and no attempt is left open."""
    succeeded = Counter((row.step, row.item) for row in trace.attempts if row.status == "succeeded")
    assert succeeded == Counter({(step, item): 1 for step in ("first", "second") for item in range(PIECES)})
    assert not [row for row in trace.attempts if row.status in ("queued", "running")]
    for row in trace.attempts:
        later = [other for other in trace.attempts if (other.step, other.item) == (row.step, row.item)]
        if row.status == "succeeded":
            assert max(other.number for other in later) == row.number, "a settled item was tried again"


async def test_a_killed_worker_loses_nothing(database_url, tmp_path):
    project = Project(tmp_path, database_url)
    with (
        project.process("supervisor"),
        project.process("worker", "--pool", "slow", "--concurrency", "2") as victim,
        project.process("worker", "--pool", "slow", "--concurrency", "3"),
    ):
        run_id = project.submit(PIECES)
        await project.began(4)
        await project.holds(victim)
        victim.send_signal(signal.SIGKILL)
        result, trace = await project.finished(run_id)
    assert (result.status, result.output) == ("succeeded", {"total": PIECES})
    settled_once(trace)
    assert any(row.status == "lost" for row in trace.attempts), "the victim held nothing when it was killed"


async def test_a_killed_supervisor_is_taken_over(database_url, tmp_path):
    project = Project(tmp_path, database_url)
    with project.process("worker", "--pool", "slow", "--concurrency", "3"):
        with project.process("supervisor") as victim:
            run_id = project.submit(PIECES)
            await project.began(6)
            victim.send_signal(signal.SIGKILL)
        with project.process("supervisor"):
            result, trace = await project.finished(run_id)
    assert (result.status, result.output) == ("succeeded", {"total": PIECES})
    assert trace.run.epoch == 2
    settled_once(trace)
    assert len(trace.attempts) == 2 * PIECES, "nothing was lost, so nothing was tried twice"


async def test_processes_stop_gracefully_and_say_what_they_hand_back(database_url, tmp_path):
    project = Project(tmp_path, database_url)
    with project.process("supervisor") as supervisor:
        run_id = project.submit(2)
        with project.process("worker", "--pool", "slow") as worker:
            await project.began(1)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(30) == 0
    with project.process("supervisor"), project.process("worker", "--pool", "slow"):
        result, _ = await project.finished(run_id)
    assert result.status == "succeeded"
    assert run_id in (tmp_path / "supervisor.log").read_text()
