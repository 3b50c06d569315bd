"""What a plan may be, what its step becomes, and what rules plan."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.domain.worker import WorkerCard
from orchestrator.errors import PlanInvalid, WorkflowError
from orchestrator.workflow import Workflow, parse_workflow
from orchestrator.workflow.model import PlannedWorker, PlanSpec
from orchestrator.workflow.plans import check_plan
from orchestrator.workflow.rules_plan import plan_by_rules

TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT}


def shape(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": fields}


def may_call(**workers: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, PlannedWorker]:
    return {
        name.replace("_", "."): PlannedWorker(pool="p", input_schema=takes, output_schema=gives)
        for name, (takes, gives) in workers.items()
    }


WORKERS = may_call(
    a_join=(shape(texts=TEXTS), shape(report=TEXT)),
    a_read=(shape(path=TEXT), shape(text=TEXT)),
    a_list=(shape(folder=TEXT), shape(paths=TEXTS)),
    a_other=(shape(nothing=TEXT), shape(report=TEXT)),
)


def spec(workers: dict[str, PlannedWorker] = WORKERS, most: int = 5, **output: Any) -> PlanSpec:
    return PlanSpec(workers=workers, max_steps=most, output=shape(**(output or {"report": TEXT})))


def test_rules_chain_workers_by_what_they_take_and_give():
    found = plan_by_rules(spec(), {"folder": "docs"}, "Report")
    assert found == {
        "steps": [
            {"id": "s1_list", "worker": "a.list", "with": {"folder": "${{ inputs.folder }}"}},
            {
                "id": "s2_read",
                "worker": "a.read",
                "with": {"path": "${{ each }}"},
                "foreach": {"items": "${{ steps.s1_list.output.paths }}", "as": "each"},
            },
            {
                "id": "s3_join",
                "worker": "a.join",
                "with": {"texts": "${{ steps.s2_read.output.map(one, one.text) }}"},
            },
        ],
        "outputs": {"report": "${{ steps.s3_join.output.report }}"},
    }
    assert list(check_plan(found, spec(), {"folder": "docs"}, name="steps").steps) == ["s1_list", "s2_read", "s3_join"]


@pytest.mark.parametrize(
    ("given", "most", "output"),
    [
        ({}, 5, {"report": TEXT}),
        ({"folder": 3}, 5, {"report": TEXT}),
        ({"folder": "docs"}, 2, {"report": TEXT}),
        ({"folder": "docs"}, 5, {"report": {"type": "integer"}}),
        ({"folder": "docs"}, 5, {"summary": TEXT}),
    ],
)
def test_rules_give_no_plan_rather_than_a_wrong_one(given, most, output):
    assert plan_by_rules(spec(WORKERS, most, **output), given, "Report") is None


def test_rules_give_the_goal_to_who_asks_for_one_and_leave_out_what_is_not_needed():
    workers = may_call(
        a_list=(shape(folder=TEXT), shape(paths=TEXTS)), a_ask=(shape(question=TEXT), shape(answer=TEXT))
    )
    found = plan_by_rules(spec(workers, answer=TEXT), {"folder": "x"}, "What is ${{ this }}?")
    assert found is not None
    assert found["steps"] == [{"id": "s2_ask", "worker": "a.ask", "with": {"question": "What is $${{ this }}?"}}]
    check_plan(found, spec(workers, answer=TEXT), {"folder": "x"}, name="steps")


def test_the_result_is_what_the_last_step_gives():
    found = plan_by_rules(spec(result={}), {"texts": ["a"]}, "x")
    assert found is not None and found["outputs"] == {"result": "${{ steps.s1_join.output }}"}


def one(*, report: Any = "x", **step: Any) -> dict[str, Any]:
    """A plan of one step."""
    return {"steps": [{"id": "a", "worker": "a.list", "with": {"folder": "x"}, **step}], "outputs": {"report": report}}


NAME = "it begins with a small letter and goes on with small letters, digits and _, 63 at most"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "None is not of type 'object'"),
        ({"steps": [], "outputs": {"report": "x"}}, "steps: a plan needs at least one step"),
        ({"steps": [{"id": "a"}], "outputs": {"report": 1}}, "steps[0]: 'with' is a required property"),
        (one(kind="agent"), "steps[0]: Additional properties are not allowed ('kind' was unexpected)"),
        (one(id="Ab"), f"steps.Ab: 'Ab' is not a good name: {NAME}"),
        (one(report="${{ steps.b.output }}"), "outputs.report: unknown step 'b' (known: a)"),
        (one(report="${{ steps.a.output.path }}"), "outputs.report: the output of step 'a' has no 'path'"),
        (one(report=3), "outputs.report: 'report' must be text, this gives a number"),
        (one(**{"with": {}}), "steps.a.with: worker 'a.list' needs 'folder' in 'with'"),
        (one(**{"with": {"folder": "${{ 1 + }}"}}), "steps.a.with.folder: "),
        (one(needs=["z"]), "steps.a.needs: unknown step 'z'"),
    ],
)
def test_every_mistake_has_its_place(written, said):
    with pytest.raises(PlanInvalid) as caught:
        check_plan(written, spec(), {}, name="steps")
    assert any(problem.startswith(said) for problem in caught.value.problems), caught.value.problems


def flow(more: str = "") -> Workflow:
    return parse_workflow(
        "api: orchestrator/v1\nname: w\nsteps:\n  dig: {kind: plan, goal: x, with: {folder: docs}, workers: [a.list], "
        f"model: small{more}}}\n",
        file="w.yaml",
        folder=None,
        catalogue={"a.list": WorkerCard("a.list", pool="p", description="Lists.", output_schema=shape(paths=TEXTS))},
        model_tiers=["small"],
    )


def test_a_plan_step_becomes_a_workflow_of_plain_steps():
    dig = flow().steps["dig"]
    (planning,) = flow().callees
    assert (dig.kind, dig.worker, dig.pool, dig.with_) == (
        "plan", "orchestrator.workflow", "", {"goal": "x", "folder": "docs"},
    )  # fmt: skip
    assert dig.uses is not None and dig.uses.sha256 == planning.sha256
    assert [(step.id, step.kind, step.worker, step.pool) for step in planning.steps.values()] == [
        ("plan", "worker", "orchestrator.planner", "planners"),
        ("work", "workflow", "orchestrator.workflow", ""),
    ]
    assert planning.steps["plan"].model == "small"
    assert planning.steps["work"].plan is not None
    assert planning.steps["work"].plan.workers["a.list"].output_schema == shape(paths=TEXTS)
    assert planning == Workflow.from_json(planning.to_json())


def test_another_plan_begins_only_where_the_one_before_has_failed():
    (planning,) = flow(", replan: 1, approve: true").callees
    assert list(planning.steps) == ["plan", "approve", "work", "plan_2", "approve_2", "work_2"]
    again = planning.steps["plan_2"]
    assert again.needs == {
        "plan": ("succeeded",), "approve": ("succeeded", "failed", "skipped"), "work": ("failed", "skipped"),
    }  # fmt: skip
    assert again.when == 'steps.approve.status == "failed" || steps.work.status == "failed"'
    assert planning.excused == {"approve", "work"}, "what another plan mends does not fail the run"


def test_what_a_plan_gives_is_typed():
    text = """
api: orchestrator/v1
name: w
outputs: {wrong: "${{ steps.dig.output.answers }}"}
steps:
  dig: {kind: plan, goal: x, workers: [a.list], output: {type: object, properties: {answer: {type: string}}}}
"""
    with pytest.raises(WorkflowError, match="answers"):
        Workflow.from_yaml(text)
