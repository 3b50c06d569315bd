"""Plans: what a planner is told of a run that failed, and a plan's child run, which is checked before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.domain import event as events
from orchestrator.domain.fork import Fork
from orchestrator.domain.identity import NO_ITEM, RunId
from orchestrator.domain.item import ItemState
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import StepSpec, Workflow

LARGEST_READ: Final = 100_000
"""Bytes of an output that is read for who plans; of a larger one the size is told."""

LONGEST_SAID: Final = 600
"""Characters of it that are told."""


async def planner_case(draft: Draft, spec: StepSpec, item: ItemState) -> PayloadRef:
    """Store the input of an attempt that plans, and give its reference."""
    assert spec.plan is not None and item.with_ is not None, "a planner has a plan to make, and is prepared"
    context = draft.context
    case = {**await context.payloads.value(context.tenant, item.with_), "plan": spec.plan.model_dump(mode="json")}
    if spec.plan.after:
        case |= await _failure(draft, spec.plan.after)
    return draft.put_value(case)


async def planned_workflow(draft: Draft, spec: StepSpec, given: Mapping[str, Any]) -> Workflow:
    """The workflow of the plan that a step is to carry out; it is stored with the run that it is for.

    Raises:
        PlanInvalid: it is not sound, whatever the worker that wrote it has said.
    """
    from orchestrator.workflow.plans import check_plan  # a supervisor that never sees a plan does without

    assert spec.plan is not None, "a step that carries out a plan names it"
    written = await _plan_of(draft, spec.plan.source)
    workflow = check_plan(written, spec.plan, given, name=f"{draft.context.workflow.name[:54]}_steps")
    draft.definitions.append(workflow)
    data = {
        "planned_by": written.get("planned_by"),
        "tries": written.get("tries"),
        "why": written.get("why"),
        "steps": [
            {"id": step.id, "worker": step.worker, "needs": list(step.needs), "foreach": step.foreach is not None}
            for step in workflow.steps.values()
        ],
        "outputs": list(workflow.outputs),
        "cost": written.get("cost"),
        "sha256": workflow.sha256,
    }
    draft.say(events.PLAN_MADE, spec.id, data, key=f"{events.PLAN_MADE}/{spec.id}")
    return workflow


async def kept_steps(draft: Draft, spec: StepSpec) -> tuple[RunId, Fork] | None:
    """What a new plan takes over by reference: the run that failed, and what is done again of it. None for nothing.

    A step is kept that has succeeded and stands in the new plan exactly as in the old one; and so does what it needs.
    """
    assert spec.plan is not None, "a step that carries out a plan names it"
    if not spec.plan.after or (failed := _child_of(draft, spec.plan.after)) is None:
        return None
    before = draft.context.spec(spec.plan.after).plan
    state = await draft.context.state_of(failed)
    if state is None or before is None:
        return None
    old, new = await _plan_of(draft, before.source), await _plan_of(draft, spec.plan.source)
    was = {step["id"]: step for step in old["steps"]}
    kept = [step["id"] for step in new["steps"] if was.get(step["id"]) == step and _succeeded(state, step["id"])]
    again = tuple(step["id"] for step in new["steps"] if step["id"] not in kept)
    return (failed, Fork(again)) if kept else None


async def _failure(draft: Draft, work: str) -> dict[str, Any]:
    """What became of the plan before: what its steps came to, and what failed."""
    step, failed = draft.step(work), _child_of(draft, work)
    if step.error is not None:
        state = None if failed is None else await draft.context.state_of(failed)
        return {"settled": {} if state is None else await _settled(draft, state), "failure": step.error.message}
    approval = next((draft.step(needed) for needed in draft.context.spec(work).needs if draft.step(needed).error), None)
    if approval is None or approval.error is None:
        return {"settled": {}, "failure": step.reason}
    answer = draft.known_item(approval.id, NO_ITEM)
    said = approval.error.message
    if answer is not None and answer.output is not None:
        value = await draft.context.payloads.value(draft.context.tenant, answer.output)
        said += f": {value['note']}" if isinstance(value, dict) and value.get("note") else ""
    return {"settled": {}, "failure": said}


async def _settled(draft: Draft, state: RunState) -> dict[str, str]:
    """Each step of a run in short."""
    said: dict[str, str] = {}
    for step in state.steps.values():
        text = str(step.status)
        if step.error is not None:
            text += f": {step.error.message}"
        elif step.status is StepStatus.SKIPPED:
            text += f": {step.reason}"
        elif step.total is not None:
            text += f": {step.done} of {step.total} items, {step.failed} failed"
        elif step.output is not None and step.output.size > LARGEST_READ:
            text += f": {step.output.size:,} bytes"
        elif step.output is not None:
            value = await draft.context.payloads.value(draft.context.tenant, step.output)
            text += f": {value}"
        said[step.id] = text[:LONGEST_SAID]
    return said


async def _plan_of(draft: Draft, step: str) -> Any:
    """What a step has planned."""
    return await draft.context.output(draft.state(), draft.step(step))


def _child_of(draft: Draft, work: str) -> RunId | None:
    """The run that carried a plan out."""
    item = draft.known_item(work, NO_ITEM)
    return None if item is None or item.attempt is None else RunId(item.attempt)


def _succeeded(state: RunState, step: str) -> bool:
    return step in state.steps and state.steps[step].status is StepStatus.SUCCEEDED
