"""A supervisor and a planner that are killed while a goal is planned and reached: nothing is lost or done again."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.testing import ReceivedRequest, ScriptedModel, hang
from tests.acceptance.project import Project
from tests.integration.supervisor.scene import until

pytestmark = pytest.mark.slow

GRAPH = """
api: orchestrator/v1
name: planned
outputs: {n: "${{ steps.reach.output.result }}"}
steps:
  reach: {kind: plan, goal: Copy a three, workers: [slow.copy], model: large}
"""
PLAN = {
    "steps": [
        {"id": "copy", "worker": "slow.copy", "with": {"number": 3, "seconds": 0}},
        {"id": "again", "worker": "slow.copy", "with": {"number": "${{ steps.copy.output.number }}", "seconds": 3}},
    ],
    "outputs": {"result": "${{ steps.again.output.number }}"},
}


async def test_killed_while_it_is_planned_and_while_the_plan_runs(database_url, tmp_path):
    asked: list[ReceivedRequest] = []

    def reply(request: ReceivedRequest) -> Any:
        """A plan that never comes, and then one."""
        asked.append(request)
        return hang() if len(asked) == 1 else PLAN

    async def is_asked() -> bool:
        return bool(asked)

    async def the_plan_runs() -> bool:
        lines = project.journal.read_text().splitlines() if project.journal.exists() else []
        return any(line.startswith("begin") and " again " in line for line in lines)

    project = Project(tmp_path, database_url)
    (tmp_path / "graphs" / "planned.yaml").write_text(GRAPH)
    with ScriptedModel(reply_to=reply) as model:
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "models.yaml").write_text(f"large: {{model: m, base_url: '{model.base_url}'}}\n")
        with project.process("worker", "--pool", "slow"), project.process("supervisor") as supervisor:
            with project.process("worker", "--pool", "planners", environment=model.environ) as planner:
                run_id = json.loads(project.command("run", "graphs/planned.yaml", "--detach", "--json").stdout)[
                    "run_id"
                ]
                await until(is_asked)
                for victim in (planner, supervisor):
                    victim.send_signal(signal.SIGKILL)
                    victim.wait(30)
            with (
                project.process("worker", "--pool", "planners", environment=model.environ),
                project.process("supervisor") as second,
            ):
                await until(the_plan_runs)
                second.send_signal(signal.SIGKILL)
                second.wait(30)
            with project.process("supervisor"):
                result, trace = await project.finished(run_id)
    assert (result.status, result.output) == ("succeeded", {"n": 3})
    assert len(asked) == 2, "the plan that was made is kept"
    done = [line for line in project.journal.read_text().splitlines() if line.startswith("end")]
    assert sorted(line.split()[2] for line in done) == ["again", "copy"]
    async with Orchestrator.connect(database=database_url) as client:
        planning = await (await client.handle(str(trace.attempts[-1].id))).trace()
    tries = [(row.number, row.status) for row in planning.attempts if row.step == "plan"]
    assert tries == [(1, "lost"), (2, "succeeded")]
