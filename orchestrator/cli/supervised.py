"""The workflow of a goal in plain words: the project's `graphs/supervise.yaml`, or one over all of its workers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.cli.inputs import gather_inputs, read_inputs_file, split_pair
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.settings import Settings
    from orchestrator.worker import Registry
    from orchestrator.workflow import Workflow

GRAPH: Final = "supervise"


@dataclass(frozen=True)
class Goal:
    """What a person asks for; what they leave out is as the graph says.

    Attributes:
        text: in plain words.
        workers: that the plan may call.
        model: the tier that plans.
        approve: whether they want to see the plan before it runs.
    """

    text: str
    workers: tuple[str, ...] = ()
    model: str | None = None
    approve: bool = False

    @property
    def overrides(self) -> dict[str, Any]:
        """Keys of the step that plans."""
        given = {"workers": list(self.workers), "model": self.model, "approve": self.approve}
        return {key: value for key, value in given.items() if value}


def supervised(
    settings: Settings, registry: Registry, goal: Goal, pairs: Sequence[str], file: Path | None
) -> tuple[Workflow, dict[str, Any]]:
    """The workflow that reaches a goal, and its inputs.

    Args:
        settings: of the project.
        registry: its workers.
        goal: what is asked for.
        pairs: `key=value` inputs besides the goal.
        file: a JSON file of inputs.

    Raises:
        InputError: the project's graph has no input `goal` or no step that plans, or an input is wrong.
        WorkflowError: the workflow has mistakes: a worker or model that there is not.
    """
    from orchestrator.project import graph_path
    from orchestrator.workflow import parse_workflow

    path = graph_path(settings, GRAPH)
    document = _read(path) if path is not None else _over_all(settings, registry, _named(pairs, file))
    plans = [step for step in document.get("steps", {}).values() if step.get("kind") == "plan"]
    if not plans or "goal" not in document.get("inputs", {}):
        raise InputError(f"{path} is no graph for `orchestrator do`", remedy="give it an input `goal` and a plan step")
    for step in plans:
        step.update(goal.overrides)
    as_written = path is not None and not goal.overrides
    workflow = parse_workflow(
        path.read_text(encoding="utf-8") if path is not None and as_written else json.dumps(document, indent=2),
        file=str(path) if as_written else GRAPH,
        folder=None if path is None else path.parent,
        catalogue=registry.catalogue,
        model_tiers=set(settings.models),
    )
    known = {name: schema for name, schema in workflow.inputs.items() if name != "goal"}
    values = {"goal": goal.text, **gather_inputs(known, pairs, file)}
    workflow.check_inputs(values)
    return workflow, values


def _read(path: Path) -> dict[str, Any]:
    """A workflow file as plain JSON, its mistakes left to the loader."""
    from orchestrator.errors import WorkflowError
    from orchestrator.workflow.problems import Problems
    from orchestrator.workflow.yaml_nodes import json_of, read_yaml

    text = path.read_text(encoding="utf-8")
    problems = Problems(str(path), text)
    root = read_yaml(text, problems)
    if root is None or problems.found:
        raise WorkflowError(problems.found)
    found: dict[str, Any] = json_of(root)
    return found


def _named(pairs: Sequence[str], file: Path | None) -> dict[str, dict[str, Any]]:
    """The inputs that a person gives without a graph that declares them: texts, or what a file holds."""
    texts: dict[str, dict[str, Any]] = {split_pair(pair)[0]: {"type": "string"} for pair in pairs}
    return {**{name: {} for name in (read_inputs_file(file) if file is not None else ())}, **texts}


def _over_all(settings: Settings, registry: Registry, given: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """A workflow whose plan may call every worker of the project; `given` are its inputs besides the goal."""
    from orchestrator.domain.worker import WorkerKind

    names = list(registry.named(WorkerKind.WORKER))
    if not names:
        raise InputError("the project has no workers, so nothing can be planned", remedy="write one: docs/workers.md")
    step: dict[str, Any] = {"kind": "plan", "goal": "${{ inputs.goal }}", "workers": names, "replan": 1}
    step["with"] = {name: f"${{{{ inputs.{name} }}}}" for name in given}
    if settings.models:
        step["model"] = next(iter(settings.models))
    return {
        "api": "orchestrator/v1",
        "name": GRAPH,
        "inputs": {"goal": {"type": "string"}, **given},
        "outputs": {"result": "${{ steps.reach.output.result }}"},
        "steps": {"reach": step},
    }
