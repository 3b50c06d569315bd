"""Checks what takes the whole file: every expression, every `with`, what each step waits for."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.workflow.checks import ExpressionCheck, check_cycle, check_needs
from orchestrator.workflow.reader import Draft
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.shapes import Shape, object_of
from orchestrator.workflow.skips import Needs, Skips
from orchestrator.workflow.step_shapes import StepShapes
from orchestrator.workflow.uses import Scope
from orchestrator.workflow.with_check import check_with


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """What each step waits for, and the shape of the workflow's outputs."""

    needs: dict[str, Needs]
    gives: Shape | None


def check_draft(reading: Reading, draft: Draft) -> CheckedDraft:
    """Note every mistake that only the whole of a file shows."""
    problems = reading.problems
    shapes = StepShapes(draft.inputs, draft.all_steps)
    expressions = ExpressionCheck(problems, shapes, draft.steps, draft.finally_)
    for use in reading.definitions:
        expressions.grammar(use)
    for step in draft.all_steps.values():
        step.checked = expressions.all(step.uses, step)
        check_with(problems, step, shapes)
        check_needs(problems, step, draft.steps, draft.finally_)
    skips = Skips(problems, draft.steps)
    needs = skips.check(expressions.all(draft.output_uses))
    endings = Skips(problems, draft.finally_, past=skips).check(())
    check_cycle(problems, needs, draft.steps)
    check_cycle(problems, endings, draft.finally_)
    names = shapes.names(None, Scope())
    return CheckedDraft(needs | endings, shapes.of_node(draft.outputs, names) if draft.outputs else object_of({}))
