"""What a `kind: plan` step runs: a workflow of plain steps, in which a worker plans and a child run carries it out.

Each round is a step `plan`, an `approve` where a person is to see the plan, and a `work`. A further round begins where
the work of the one before it has failed, or its plan was rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.domain.worker import HUMAN_WORKER, PLANNER_POOL, PLANNER_WORKER, RUN_WORKER
from orchestrator.workflow.model import OUTCOMES, PlanSpec, StepSpec, ValidatorSpec, Workflow, digest

GOAL: Final = "goal"
FEEDBACK: Final = "feedback"
RESERVED_INPUTS: Final = (GOAL, FEEDBACK)
"""Inputs of the workflow besides the step's `with`."""

FORM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["decision"],
    "additionalProperties": False,
    "properties": {"decision": {"enum": ["approve", "reject"]}, "note": {"type": "string", "maxLength": 2_000}},
}
REJECTED: Final = "the plan was rejected"
ANY_RESULT: Final[dict[str, Any]] = {"type": "object", "required": ["result"], "properties": {"result": {}}}
"""What a plan gives where its step has no `output`."""


@dataclass(frozen=True, slots=True)
class Planning:
    """How a step plans.

    Attributes:
        model, price_cap_usd: the tier of `configs/models.yaml` that plans, None for rules; USD for one call.
        replan: further rounds at most.
        approve: whether a person sees each plan before it runs.
    """

    plan: PlanSpec
    model: str | None = None
    price_cap_usd: float | None = None
    replan: int = 0
    approve: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """The names of the steps of a round; `number` counts from 1."""

    number: int

    @property
    def plan(self) -> str:
        """The step that plans."""
        return self._named("plan")

    @property
    def approve(self) -> str:
        """The step in which a person sees the plan."""
        return self._named("approve")

    @property
    def work(self) -> str:
        """The step whose child run carries the plan out."""
        return self._named("work")

    @property
    def before(self) -> Round | None:
        """The round that this one follows."""
        return Round(self.number - 1) if self.number > 1 else None

    def _named(self, step: str) -> str:
        return step if self.number == 1 else f"{step}_{self.number}"


def planning_workflow(step: str, given: Iterable[str], planning: Planning) -> Workflow:
    """The workflow of a step's child runs.

    Args:
        step: whose.
        given: the fields of its `with`.
        planning: what it says of plans.
    """
    names = tuple(given)
    rounds = [Round(number) for number in range(1, planning.replan + 2)]
    steps = [spec for each in rounds for spec in _round(each, names, planning)]
    listed = {"type": "array", "items": {"type": "string"}, "default": []}
    workflow = Workflow(
        name=f"{step[:58]}_plan",
        description=f"Plan the step {step}, and carry the plan out.",
        inputs={GOAL: {"type": "string"}, **{name: {} for name in names}, FEEDBACK: listed},
        outputs={name: _output(name, rounds) for name in planning.plan.output["properties"]},
        output_refs=tuple(each.work for each in rounds),
        steps={spec.id: spec for spec in steps},
    )
    return workflow.model_copy(update={"sha256": digest(workflow)})


def _round(this: Round, names: tuple[str, ...], planning: Planning) -> list[StepSpec]:
    before = this.before
    plan = planning.plan.model_copy(update={"after": before.work if before else ""})
    passed_on = {name: f"${{{{ inputs.{name} }}}}" for name in names}
    steps = [_planner(this, passed_on, plan, planning)]
    if planning.approve:
        steps.append(_approval(this))
    carried_out = StepSpec(
        id=this.work,
        kind="workflow",
        worker=RUN_WORKER,
        with_=passed_on,
        plan=plan.model_copy(update={"source": this.plan}),
        needs={spec.id: ("succeeded",) for spec in steps},
        refs=(this.plan, *((before.plan,) if before else ())),
        payloads=(this.plan, *((before.plan,) if before else ())),
    )
    return [*steps, carried_out]


def _planner(this: Round, passed_on: dict[str, str], plan: PlanSpec, planning: Planning) -> StepSpec:
    before, when = this.before, None
    needs: dict[str, tuple[str, ...]] = {}
    with_: dict[str, Any] = {
        "goal": "${{ inputs.goal }}",
        "given": passed_on,
        "feedback": "${{ inputs.feedback }}",
    }
    if before is not None:
        with_["previous"] = f"${{{{ steps.{before.plan}.output }}}}"
        needs = {before.work: ("failed",)}
        if planning.approve:
            needs = {before.plan: ("succeeded",), before.approve: OUTCOMES, before.work: ("failed", "skipped")}
            when = f'steps.{before.approve}.status == "failed" || steps.{before.work}.status == "failed"'
    return StepSpec(
        id=this.plan,
        kind="worker",
        worker=PLANNER_WORKER,
        pool=PLANNER_POOL,
        model=planning.model,
        price_cap_usd=planning.price_cap_usd,
        with_=with_,
        plan=plan,
        needs=needs,
        when=when,
        refs=tuple(dict.fromkeys((*((before.plan,) if before else ()), *needs))),
        payloads=(before.plan,) if before else (),
    )


def _approval(this: Round) -> StepSpec:
    planned = f"steps.{this.plan}.output"
    return StepSpec(
        id=this.approve,
        kind="human",
        worker=HUMAN_WORKER,
        with_={
            "goal": "${{ inputs.goal }}",
            **{name: f"${{{{ {planned}.{name} }}}}" for name in ("steps", "outputs", "planned_by", "cost")},
        },
        output=FORM,
        needs={this.plan: ("succeeded",)},
        refs=(this.plan,),
        payloads=(this.plan,),
        validators=(ValidatorSpec(name="approved", expr='output.decision == "approve"', message=REJECTED),),
    )


def _output(name: str, rounds: list[Round]) -> str:
    """What the round gives that succeeded."""
    field = json.dumps(name)
    last = f"steps.{rounds[-1].work}.output[{field}]"
    for each in reversed(rounds[:-1]):
        last = f'steps.{each.work}.status == "succeeded" ? steps.{each.work}.output[{field}] : ({last})'
    return f"${{{{ {last} }}}}"
