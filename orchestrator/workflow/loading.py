"""One load: a workflow and, below it, the workflows that its steps run, each file read once."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.domain.budget import OnExceed
from orchestrator.domain.worker import HUMAN_WORKER, Catalogue
from orchestrator.errors import Problem
from orchestrator.workflow.draft_check import check_draft
from orchestrator.workflow.kind_readers import NO_PEOPLE
from orchestrator.workflow.model import Callee, Workflow
from orchestrator.workflow.pinning import pin
from orchestrator.workflow.problems import MOST_PROBLEMS, Problems
from orchestrator.workflow.reader import Draft, read_workflow
from orchestrator.workflow.reading import Reading, circle
from orchestrator.workflow.shapes import Shape, as_schema
from orchestrator.workflow.signatures import Signature, of_workflow
from orchestrator.workflow.step_draft import StepDraft
from orchestrator.workflow.yaml_nodes import Scalar, read_yaml

DEEPEST = 8
"""Workflows, one below the other, the first one counted."""


PLANNING_HEIGHT = 2
"""A run that plans, and below it the run of the plan."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A sound workflow; `height` counts the workflows below each other, this one included.

    `asks` names a step that asks a person, in it or below it, `pauses` what pauses on its budget below it; empty where
    nothing does.
    """

    workflow: Workflow
    signature: Signature
    height: int
    asks: str
    pauses: str


@dataclass(slots=True)
class Loading:
    """What one load has found: mistakes, and workflows by their resolved path (None is one with mistakes)."""

    catalogue: Catalogue | None
    model_tiers: Collection[str] | None
    found: list[Problem] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    loaded: dict[Path, Loaded | None] = field(default_factory=dict)

    def parse(self, text: str, file: str, folder: Path | None, trail: tuple[Path, ...]) -> Loaded | None:
        """Read, check and pin a workflow; None where it has mistakes, which are then in `found`.

        Args:
            text: YAML.
            file: what messages call it.
            folder: where other files are looked for; None refuses them.
            trail: the files that lead to it, itself the last.
        """
        problems, before = Problems(file, text, self.found), len(self.found)
        reading = Reading(problems, folder, self.catalogue, self.model_tiers, trail=trail, files=self.files)
        root = read_yaml(text, problems)
        if root is None:
            if len(self.found) == before:
                problems.at_line(0, 0, "the file is empty")
            return None
        draft = read_workflow(reading, root)
        callees = self._callees(reading, draft)
        checked = check_draft(reading, draft)
        if len(self.found) > before or len(self.found) >= MOST_PROBLEMS:
            return None
        workflow = pin(draft, checked.needs, tuple(below.workflow for below in callees), text, folder)
        return Loaded(
            workflow, of_workflow(workflow.name, draft.inputs, checked.gives),
            height=1 + max((below.height for below in callees), default=0), asks=_asks(workflow, callees),
            pauses=_pauses(workflow, callees),
        )  # fmt: skip

    def _callees(self, reading: Reading, draft: Draft) -> list[Loaded]:
        """The workflows that the steps run, each once; what the steps need to know of them goes into their drafts."""
        found: dict[str, Loaded] = {}
        for step in draft.all_steps.values():
            if step.planning is not None:
                below: Loaded | None = _planning(reading, step, step.planning)
            elif step.callee is not None:
                below = self._callee(reading, step.callee)
            else:
                continue
            if below is not None:
                _join(reading, step, below)
                found.setdefault(below.workflow.sha256, below)
        return list(found.values())

    def _callee(self, reading: Reading, node: Scalar) -> Loaded | None:
        """The workflow that a step names."""
        name, problems = node.text, reading.problems
        path = reading.other_file(node, name, "'uses'")
        if path is None:
            return None
        if path in reading.trail:
            problems.at(node, f"workflows use each other: {circle(reading.trail, path)}")
            return None
        if len(reading.trail) >= DEEPEST:
            problems.at(node, f"workflows use each other more than {DEEPEST} levels deep")
            return None
        if path not in self.loaded:
            text = reading.text_of(node, name, path)
            shown = os.path.normpath(Path(problems.file).parent / name)
            below = None if text is None else self.parse(text, shown, path.parent, (*reading.trail, path))
            self.loaded[path] = below
        callee = self.loaded[path]
        if callee is not None and len(reading.trail) + callee.height > DEEPEST:
            problems.at(node, f"workflows use each other more than {DEEPEST} levels deep")
        return callee


def _planning(reading: Reading, step: StepDraft, workflow: Workflow) -> Loaded:
    """The workflow that plans, below which the plan itself is run."""
    if len(reading.trail) + PLANNING_HEIGHT > DEEPEST:
        reading.problems.at(step.key, f"workflows use each other more than {DEEPEST} levels deep")
    schema = step.values["output"]
    signature = Signature(f"plan '{step.id}'", None, Shape(schema, schema))
    return Loaded(workflow, signature, PLANNING_HEIGHT, asks=_asks(workflow, []), pauses="")


def _join(reading: Reading, step: StepDraft, callee: Loaded) -> None:
    """What a step needs to know of the workflow that it runs."""
    workflow = callee.workflow
    step.signature = callee.signature
    step.values["uses"] = Callee(name=workflow.name, version=workflow.version, sha256=workflow.sha256)
    budget, theirs = step.values.get("budget"), workflow.budget
    if budget is not None and not step.exceeds:
        word = OnExceed.FAIL if step.scope.ending else theirs.on_exceed if theirs else OnExceed.PAUSE
        step.values["budget"] = replace(budget, on_exceed=word)
    elif budget is None and theirs is not None and step.scope.ending:
        step.values["budget"] = replace(theirs, on_exceed=OnExceed.FAIL)
    if step.hands_over and callee.signature.gives is not None and "output" not in step.values:
        step.values["form"] = as_schema(callee.signature.gives)
    place = step.callee or step.place
    if step.scope.ending and place is not None:
        if callee.asks:
            reading.problems.at(place, f"{NO_PEOPLE}, and {callee.asks} asks one")
        elif callee.pauses:
            reading.problems.at(place, f"{NO_PEOPLE}, and {callee.pauses} pauses on its budget")


def _pauses(workflow: Workflow, callees: list[Loaded]) -> str:
    """A workflow below that one which waits for a person once its budget is used up."""
    below = {callee.workflow.sha256: callee.workflow for callee in callees}
    for step in workflow.all_steps.values():
        if step.uses is not None:
            own = step.budget or below[step.uses.sha256].budget
            if own is not None and own.asks:
                return f"workflow '{step.uses.name}'"
    return next((callee.pauses for callee in callees if callee.pauses), "")


def _asks(workflow: Workflow, callees: list[Loaded]) -> str:
    """A step that asks a person."""
    for step in workflow.all_steps.values():
        remedies = [*(remedy.worker for remedy in step.on_invalid), *(rule.worker for rule in step.on_error)]
        if HUMAN_WORKER in (step.worker, *remedies):
            return f"step '{step.id}' of workflow '{workflow.name}'"
    return next((callee.asks for callee in callees if callee.asks), "")
