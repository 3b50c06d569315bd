"""A plan that a planner has written, as the workflow that it is: checked like a file, every mistake with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from orchestrator.domain.worker import Catalogue, WorkerCard
from orchestrator.errors import PlanInvalid, Problem
from orchestrator.workflow.json_schema import value_problems
from orchestrator.workflow.language import API
from orchestrator.workflow.loading import Loading
from orchestrator.workflow.model import PlannedWorker, PlanSpec, Workflow
from orchestrator.workflow.shapes import VALUE_KINDS, Shape, conflict

LONGEST_ID: Final = 40
MOST_NEEDS: Final = 20
INDENT: Final = 2
KEY: Final = re.compile(r' *"((?:[^"\\]|\\.)*)":')
TEXT: Final = {"type": "string", "maxLength": 400}


def plan_schema(plan: PlanSpec, *, strict: bool = True) -> dict[str, Any]:
    """The JSON Schema of a plan: what a planner's model is asked for.

    Args:
        plan: what it may be made of.
        strict: whether names and counts are bounded, too; the checks have better messages for those.
    """
    bounds: dict[str, Any] = {"minItems": 1, "maxItems": plan.max_steps} if strict else {}
    worker = {"enum": list(plan.workers)} if strict else {"type": "string"}
    names = {"type": "string", "maxLength": LONGEST_ID}
    step = {
        "type": "object",
        "required": ["id", "worker", "with"],
        "additionalProperties": False,
        "properties": {
            "id": names,
            "worker": worker,
            "with": {"type": "object"},
            "needs": {"type": "array", "maxItems": MOST_NEEDS, "items": names},
            "foreach": {
                "type": "object",
                "required": ["items", "as"],
                "additionalProperties": False,
                "properties": {"items": TEXT if strict else {"type": ["string", "array"]}, "as": names},
            },
        },
    }
    outputs = {name: TEXT if strict else {} for name in plan.output["properties"]}
    return {
        "title": "plan",
        "type": "object",
        "required": ["steps", "outputs"],
        "properties": {
            "steps": {"type": "array", "items": step, **bounds},
            "outputs": {
                "type": "object",
                "required": list(outputs),
                "additionalProperties": False,
                "properties": outputs,
            },
        },
    }


def check_plan(written: Any, plan: PlanSpec, given: Mapping[str, Any], *, name: str) -> Workflow:
    """The workflow that a plan is.

    Args:
        written: what the planner gave: `steps` and `outputs`; other keys do not matter.
        plan: what it may be made of, and what it must give.
        given: the values that its expressions see as `inputs`.
        name: what the workflow is called.

    Raises:
        PlanInvalid: with every mistake and its place.
    """
    problems = value_problems(plan_schema(plan, strict=False), written) or _by_hand(written["steps"], plan)
    if problems:
        raise PlanInvalid(problems)
    text = _text(written, given, name)
    loading = Loading(_catalogue(plan.workers), None)
    loaded = loading.parse(text, name, None, ())
    if loaded is None:
        lines = text.split("\n")
        noted = sorted(set(loading.found))
        raise PlanInvalid([f"{_path(lines, problem.line - 1)}: {_said(problem)}" for problem in noted])
    gives = loaded.signature.gives
    wanted = Shape(plan.output, plan.output)
    mismatches = [
        f"outputs.{key}: {found}"
        for key in plan.output["properties"]
        if gives is not None and (found := conflict(gives.at(key), wanted.at(key), key))
    ]
    if mismatches:
        raise PlanInvalid(mismatches)
    return loaded.workflow


def _by_hand(steps: list[dict[str, Any]], plan: PlanSpec) -> list[str]:
    problems = [] if steps else ["steps: a plan needs at least one step"]
    if len(steps) > plan.max_steps:
        problems.append(f"steps: there are {len(steps)}, and a plan has {plan.max_steps} at most")
    ids = [step["id"] for step in steps]
    return problems + [f"steps: two are called '{name[:60]}'" for name in dict.fromkeys(ids) if ids.count(name) > 1]


def _text(written: Mapping[str, Any], given: Mapping[str, Any], name: str) -> str:
    """The plan as a workflow's text, of which every key stands on a line of its own."""
    steps = {}
    for step in written["steps"]:
        steps[step["id"]] = {"kind": "worker", **{key: step[key] for key in step if key != "id"}}
    document = {
        "api": API,
        "name": name,
        "version": "planned",
        "inputs": {key: _schema_of(value) for key, value in given.items()},
        "outputs": written["outputs"],
        "steps": steps,
    }
    return json.dumps(document, indent=INDENT, ensure_ascii=False)


def _schema_of(value: Any) -> dict[str, Any]:
    """What is known of an input: its type, and that of a list's items where they are alike."""
    kind = VALUE_KINDS[type(value)]
    if isinstance(value, list) and value:
        kinds = {VALUE_KINDS[type(item)] for item in value}
        return {"type": kind, "items": {"type": kinds.pop()}} if len(kinds) == 1 else {"type": kind}
    return {"type": kind}


def _catalogue(workers: Mapping[str, PlannedWorker]) -> Catalogue:
    return {name: WorkerCard(name, **worker.model_dump()) for name, worker in workers.items()}


def _path(lines: list[str], at: int) -> str:
    """The keys that lead to a line: `steps.find.with.query`."""
    keys: list[str] = []
    depth = len(lines[0]) + 10**6
    for line in reversed(lines[: at + 1]):
        indent = len(line) - len(line.lstrip(" "))
        found = KEY.match(line)
        if indent < depth and line.strip(" ]}[{,"):
            depth = indent
            keys += [str(json.loads(f'"{found.group(1)}"'))] if found else []
    return ".".join(reversed(keys)) or "the plan"


def _said(problem: Problem) -> str:
    return problem.message + (f" ({problem.suggestion})" if problem.suggestion else "")
