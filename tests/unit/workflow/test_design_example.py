"""The example that the language was designed with loads as it stands; its files are in `tests/examples/`."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.budget import Budget
from orchestrator.domain.policy import Remedy, RemedyKind
from orchestrator.domain.worker import HUMAN_WORKER, WorkerCard, WorkerKind
from orchestrator.workflow import load_workflow, parse_workflow, waves
from orchestrator.workflow.model import ExpiresSpec, RepeatSpec

FOLDER = Path(__file__).parents[2] / "examples/research_report"
CATALOGUE = {name: WorkerCard(name) for name in ("research.search", "cms.publish", "ops.notify")} | {
    "research.links_alive": WorkerCard("research.links_alive", kind=WorkerKind.VALIDATOR)
}


@pytest.fixture(scope="module")
def workflow():
    return load_workflow(FOLDER / "research_report.yaml", catalogue=CATALOGUE, model_tiers=["small", "large"])


def test_its_steps(workflow):
    assert waves(workflow) == [["plan"], ["search"], ["write"], ["review"], ["approve"], ["publish"]]
    assert workflow.budget == Budget(usd=3.0, tokens=500_000, wall=1800.0)
    assert workflow.output_refs == ("write", "review")


def test_the_child_run_that_repeats(workflow):
    review = workflow.steps["review"]
    assert review.repeat == RepeatSpec(
        until="output.score > 0.8", max=3, with_={"text": "${{ previous.output.fixed }}"}
    )
    assert review.budget == Budget(usd=0.8)
    assert review.uses is not None
    assert (review.uses.name, review.uses.sha256) == ("fact_check", workflow.callees[0].sha256)
    assert list(workflow.callees[0].outputs) == ["score", "fixed"]


def test_the_judge(workflow):
    (judge,) = workflow.steps["write"].judges
    assert (judge.model, judge.price_cap_usd, judge.min_score, judge.votes) == ("large", 0.6, 0.8, 1)
    assert "${{ with.hits }}" in judge.rubric
    assert [validator.pool for validator in workflow.steps["write"].validators] == [None, "default", "judges"]


def test_the_people(workflow):
    approve = workflow.steps["approve"]
    assert approve.expires == ExpiresSpec(after=172_800.0)
    assert approve.assignee == "${{ inputs.approver }}"
    assert workflow.steps["publish"].needs == {"write": ("succeeded",), "approve": ("succeeded", "skipped")}
    assert workflow.steps["write"].on_invalid[-1] == Remedy(RemedyKind.ESCALATE, worker=HUMAN_WORKER, pool="")


def test_the_end(workflow):
    notify = workflow.finally_["notify"]
    assert (notify.worker, notify.with_, notify.needs) == ("ops.notify", {"status": "${{ run.status }}"}, {})


DIG = """
  dig:
    kind: plan                    # a child run whose steps a planner model writes
    goal: "Find what ${{ inputs.topic }} costs in practice"
    model: large
    workers: [research.search, documents.extract, writing.summarise]
    max_steps: 12
    replan: 2
finally:
"""


def test_the_steps_that_a_model_plans():
    text = (FOLDER / "research_report.yaml").read_text().replace("finally:\n", DIG)
    cards = CATALOGUE | {name: WorkerCard(name) for name in ("documents.extract", "writing.summarise")}
    whole = parse_workflow(text, file="x.yaml", folder=FOLDER, catalogue=cards, model_tiers=["small", "large"])
    dig = whole.steps["dig"]
    planning = next(callee for callee in whole.callees if dig.uses and callee.sha256 == dig.uses.sha256)
    assert list(planning.steps) == ["plan", "work", "plan_2", "work_2", "plan_3", "work_3"]
    assert (planning.steps["plan"].model, planning.steps["plan"].price_cap_usd) == ("large", 0.6)
