"""A process that is killed while it judges: its attempt is lost and made again, and there is one verdict."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.testing import ReceivedRequest, ScriptedModel, hang
from tests.acceptance.project import Project

pytestmark = pytest.mark.slow

GRAPH = """
api: orchestrator/v1
name: judged
inputs: {}
outputs: {n: "${{ steps.copy.output.number }}"}
steps:
  copy:
    kind: worker
    worker: slow.copy
    with: {number: 7, seconds: 0}
    validate: [{name: right, judge: {model: large, rubric: Is it seven?, votes: 3}}]
"""


async def test_a_killed_judge_is_asked_again_and_its_votes_are_not_doubled(database_url, tmp_path):
    asked: list[ReceivedRequest] = []

    def reply(request: ReceivedRequest) -> Any:
        """A vote at first, two that never come, and then votes."""
        asked.append(request)
        said = {"reasons": [f"request {len(asked)}"], "quotes": ["7"], "abstain": False, "score": 0.9}
        return hang() if len(asked) in (2, 3) else said

    project = Project(tmp_path, database_url)
    (tmp_path / "graphs" / "judged.yaml").write_text(GRAPH)
    with ScriptedModel(reply_to=reply) as model:
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "models.yaml").write_text(f"large: {{model: m, base_url: '{model.base_url}'}}\n")
        with project.process("supervisor"), project.process("worker", "--pool", "slow"):
            with project.process("worker", "--pool", "judges", environment=model.environ) as victim:
                said = project.command("run", "graphs/judged.yaml", "--detach", "--json").stdout
                run_id = json.loads(said)["run_id"]
                await vote_is_kept(database_url, run_id)
                victim.send_signal(signal.SIGKILL)
                victim.wait(30)
            with project.process("worker", environment=model.environ):  # without --pool it serves all of them
                result, trace = await project.finished(run_id)
    assert (result.status, result.output) == ("succeeded", {"n": 7})
    judges = [row for row in trace.attempts if row.validator == "right"]
    assert [(row.status, row.number, row.pool) for row in judges] == [("lost", 1, "judges"), ("succeeded", 2, "judges")]
    (verdict,) = trace.verdicts
    reasons = sorted(reason for vote in verdict.evidence["votes"] for reason in vote["reasons"])
    assert (verdict.passed, reasons) == (True, ["request 1", "request 4", "request 5"])
    assert len(asked) == 5, "the vote that was there is kept"
    assert len([row for row in trace.attempts if row.purpose == "work"]) == 1, "what is judged is not made again"


async def vote_is_kept(database_url: str, run_id: str) -> None:
    """Wait until the first vote is stored with the judge's attempt, and the others are awaited."""
    async with Orchestrator.connect(database=database_url) as client, asyncio.timeout(60):
        handle = await client.handle(run_id)
        while not [row for row in (await handle.trace()).attempts if row.validator and row.heartbeat]:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)
