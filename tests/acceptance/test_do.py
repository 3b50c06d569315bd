"""`orchestrator do`: a goal in plain words, its plan, its run and its trace, as a person sees them."""

from __future__ import annotations

import json

import pytest

from orchestrator.testing import ScriptedModel
from tests.acceptance.project import Project

MODELS = "small: {provider: openai, model: scripted, input_price: 1.0, output_price: 1.0}\n"
PLAN = {
    "steps": [
        {"id": "copy", "worker": "slow.copy", "with": {"number": 3, "seconds": 0}},
        {"id": "again", "worker": "slow.copy", "with": {"number": "${{ steps.copy.output.number }}", "seconds": 0.1}},
    ],
    "outputs": {"result": "${{ steps.again.output.number }}"},
}
GRAPH = """
api: orchestrator/v1
name: supervise
inputs: {goal: {type: string}, word: {type: string, default: none}}
outputs: {number: "${{ steps.reach.output.result }}"}
steps:
  reach: {kind: plan, goal: "${{ inputs.goal }}", with: {word: "${{ inputs.word }}"}, workers: [slow.copy]}
"""


class WithModel(Project):
    """A project whose model follows a script."""

    model: ScriptedModel

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | dict(self.model.environ)


@pytest.fixture
def project(database_url, tmp_path):
    found = WithModel(tmp_path, database_url)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/models.yaml").write_text(MODELS)
    return found


def test_a_goal_is_planned_and_reached(project):
    bad = {**PLAN, "steps": [{**PLAN["steps"][0], "worker": "slow.cope"}]}
    with ScriptedModel([bad, PLAN]) as project.model:
        done = project.command("do", "Copy a three", "-i", "note=from nowhere")
    assert "planned by model small in 2 tries:" in done.stderr
    assert "again  slow.copy  copy" in " ".join(done.stderr.split("\n")).replace("   ", "  ")
    assert "no past attempts of slow.copy" in done.stderr
    assert "✓ succeeded" in done.stdout and "result: 3" in done.stdout
    asked = project.model.requests
    assert "Copy a three" in asked[0].text and 'inputs.note = "from nowhere"' in asked[0].text
    assert "steps.copy.worker: unknown worker 'slow.cope' (did you mean 'slow.copy'?)" in asked[1].text
    run = next(line for line in done.stdout.splitlines() if line.startswith("trace: ")).split()[-1]
    trace = project.command("trace", run).stdout
    for said in ("reach", "plan", "orchestrator.planner", "work", "copy", "again", "slow.copy"):
        assert said in trace


def test_the_projects_own_graph_is_taken_where_there_is_one(project):
    (project.root / "graphs/supervise.yaml").write_text(GRAPH)
    with ScriptedModel([PLAN]) as project.model:
        options = ("-i", "word=x", "--model", "small", "--workers", "slow.copy", "--json")
        said = json.loads(project.command("do", "Copy a three", *options).stdout)
        assert (said["status"], said["output"]) == ("succeeded", {"number": 3})
        assert 'inputs.word = "x"' in project.model.requests[0].text
        unknown = project.command("do", "x", "--workers", "slow.cope", check=2)
        assert "unknown worker 'slow.cope' (did you mean 'slow.copy'?)" in unknown.stderr
        other = project.command("do", "x", "-i", "wrod=x", check=2)
        assert "unknown input 'wrod' (did you mean 'word'?)" in other.stderr


def test_a_graph_that_plans_nothing_is_refused(project):
    (project.root / "graphs/supervise.yaml").write_text((project.root / "graphs/fan.yaml").read_text())
    with ScriptedModel([]) as project.model:
        refused = project.command("do", "x", check=2)
    assert "is no graph for `orchestrator do`" in refused.stderr
