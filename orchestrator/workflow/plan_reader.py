"""Reads `kind: plan`: a goal, what may be called to reach it, and how it is planned."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.policy import Timeouts
from orchestrator.domain.worker import MAX_STEPS, RESERVED, RUN_WORKER, WorkerKind
from orchestrator.workflow.fields import as_items, as_name
from orchestrator.workflow.kind_readers import read_child_budget, read_template
from orchestrator.workflow.model import PlannedWorker, PlanSpec
from orchestrator.workflow.planning import ANY_RESULT, GOAL, RESERVED_INPUTS, Planning, planning_workflow
from orchestrator.workflow.policy_reader import join_layers, read_policy_name, read_run_timeout
from orchestrator.workflow.reading import IDENTIFIER, IDENTIFIER_MEANS
from orchestrator.workflow.schema_reader import read_schema
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.with_reader import read_with


def read_plan(step: StepReading) -> None:
    """A goal, and the workers whose steps are to reach it; its child run is made of them."""
    fields = step.fields
    step.values["worker"] = RUN_WORKER
    goal = _goal(step)
    given = _given(step)
    workers = _workers(step)
    output = _output(step)
    own = read_run_timeout(step.problems, fields)
    retry, timeout = join_layers([*step.defaults.layers, read_policy_name(step.reading, fields), own], None)
    step.values.update(retry=retry, timeout=Timeouts(total=timeout.total), output=output)
    if (node := fields.node("budget")) is not None:
        read_child_budget(step, node)
    if (node := fields.node("model") or step.defaults.model) is not None:
        model, cap = step.reading.model(node)
    else:
        model, cap = None, None
    plan = PlanSpec(workers=workers, max_steps=fields.integer("max_steps") or MAX_STEPS, output=output)
    planning = Planning(plan, model, cap, fields.integer("replan") or 0, bool(fields.boolean("approve")))
    if goal is not None:
        step.values["with_"] = {GOAL: goal, **step.values.get("with_", {})}
        step.draft.planning = planning_workflow(step.draft.id, given, planning)


def _goal(step: StepReading) -> str | None:
    node = step.fields.node("goal")
    if node is None:
        step.needs("goal", "what is to be reached, in plain words")
        return None
    return read_template(step, node, "'goal'", wants="STRING")


def _given(step: StepReading) -> tuple[str, ...]:
    """The fields of `with`, which the plan's expressions see as inputs."""
    read_with(step)
    mapping = step.draft.with_node
    for name, key in mapping.keys.items() if mapping is not None else ():
        if name in RESERVED_INPUTS:
            step.problems.at(key, f"'with' of a plan takes no '{name}'", "choose another name")
        else:
            as_name(step.problems, key, "a field of a plan's 'with'", IDENTIFIER, IDENTIFIER_MEANS)
    return tuple(mapping.entries) if mapping is not None else ()


def _workers(step: StepReading) -> dict[str, PlannedWorker]:
    node, found = step.fields.node("workers"), dict[str, PlannedWorker]()
    if node is None:
        step.needs("workers", "write [research.search]: what the plan may call")
        return found
    step.draft.place = node
    items = as_items(step.problems, node, "'workers'", "write [research.search]")
    if items == []:
        step.problems.at(node, "'workers' is empty", "name what the plan may call")
    for item in items or ():
        name, card = step.reading.card(item, WorkerKind.WORKER)
        if name is None:
            continue
        if name in found:
            step.problems.at(item, f"worker '{name[:80]}' is listed twice")
        elif name.startswith(RESERVED) and step.reading.catalogue is None:
            step.problems.at(item, f"'{name}' is no worker of a plan")
        told: dict[str, Any] = {"pool": "default"}
        if card is not None:
            told = {key: getattr(card, key) for key in PlannedWorker.model_fields}
        found[name] = PlannedWorker.model_validate(told)
    return found


def _output(step: StepReading) -> dict[str, Any]:
    node = step.fields.node("output")
    schema = ANY_RESULT if node is None else read_schema(step.problems, node, "'output'")
    if schema is None:
        return ANY_RESULT
    properties = schema.get("properties")
    if node is not None and not properties:
        step.problems.at(node, "'output' of a plan must name what it gives", "write {type: object, properties: …}")
        return ANY_RESULT
    return schema
