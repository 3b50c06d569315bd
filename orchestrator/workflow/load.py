"""From a workflow's text to a pinned `Workflow`, or to all of its mistakes at once."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from orchestrator.domain.worker import Catalogue
from orchestrator.errors import Problem, WorkflowError
from orchestrator.workflow.checks import ExpressionCheck, check_cycle, check_needs
from orchestrator.workflow.model import StepSpec, Workflow, digest
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.reader import Draft, read_workflow
from orchestrator.workflow.reading import Reading, why_unreadable
from orchestrator.workflow.skips import Needs, Skips
from orchestrator.workflow.step_shapes import StepShapes
from orchestrator.workflow.uses import references
from orchestrator.workflow.with_check import check_with
from orchestrator.workflow.yaml_nodes import LONGEST_TEXT, read_yaml


def load_workflow(
    path: Path, *, catalogue: Catalogue | None = None, model_tiers: Collection[str] | None = None
) -> Workflow:
    """Load a workflow file; prompt files are read relative to it and inlined.

    Args:
        path: the file; shown in messages as it is given.
        catalogue: the registered workers and validators; None leaves their names unchecked.
        model_tiers: the tiers of `configs/models.yaml`; None leaves their names unchecked.

    Raises:
        WorkflowError: with every mistake in the file, or that it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(LONGEST_TEXT + 1)
    except (OSError, ValueError) as error:
        problem = Problem(str(path), 1, 1, f"cannot read the workflow: {why_unreadable(error)}")
        raise WorkflowError([problem]) from error
    return parse_workflow(text, file=str(path), folder=path.parent, catalogue=catalogue, model_tiers=model_tiers)


def parse_workflow(
    text: str,
    *,
    file: str,
    folder: Path | None,
    catalogue: Catalogue | None = None,
    model_tiers: Collection[str] | None = None,
) -> Workflow:
    """Parse a workflow's text.

    Args:
        text: YAML.
        file: what messages call it.
        folder: where prompt files are looked for; None refuses them.
        catalogue: as for `load_workflow`.
        model_tiers: as for `load_workflow`.

    Raises:
        WorkflowError: with every mistake in the text.
    """
    problems = Problems(file, text)
    reading = Reading(problems, folder, catalogue, model_tiers)
    root = read_yaml(text, problems)
    if root is None:
        if not problems.found:
            problems.at_line(0, 0, "the file is empty")
        raise WorkflowError(problems.found)
    draft = read_workflow(reading, root)
    needs = _check(reading, draft)
    if problems.found:
        raise WorkflowError(problems.found)
    workflow = Workflow(
        **draft.values,
        inputs=draft.inputs,
        output_refs=tuple(dict.fromkeys(name for name, _ in references(draft.output_uses))),
        steps={name: _step(draft, name, needs[name]) for name in draft.steps},
    )
    return workflow.model_copy(update={"sha256": digest(workflow), "source": text, "folder": folder})


def _check(reading: Reading, draft: Draft) -> dict[str, Needs]:
    """Check what takes the whole file; returns what each step waits for."""
    problems = reading.problems
    shapes = StepShapes(draft.inputs, draft.steps)
    expressions = ExpressionCheck(problems, shapes, draft.steps)
    for use in reading.definitions:
        expressions.grammar(use)
    for step in draft.steps.values():
        step.checked = expressions.all(step.uses, step)
        check_with(problems, step, shapes)
        check_needs(problems, step, draft.steps)
    needs = Skips(problems, draft.steps).check(expressions.all(draft.output_uses))
    check_cycle(problems, needs, draft.steps)
    return needs


def _step(draft: Draft, name: str, needs: dict[str, tuple[str, ...]]) -> StepSpec:
    step = draft.steps[name]
    read: list[tuple[str, str]] = references(step.uses)
    values: dict[str, Any] = {
        **step.values,
        "needs": needs,
        "refs": tuple(dict.fromkeys(other for other, _ in read)),
        "payloads": tuple(dict.fromkeys(other for other, attribute in read if attribute != "status")),
    }
    return StepSpec(**values)
