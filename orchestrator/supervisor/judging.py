"""What a judge is given: its rubric, and what the rubric speaks of, kept apart as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.domain.item import ItemState
from orchestrator.domain.payload import PayloadRef
from orchestrator.errors import ExpressionError
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import Expressions, JudgeSpec, StepSpec
from orchestrator.workflow.templates import template_of

SHOWN = re.compile(r"(?:output|with)(?:\.[A-Za-z_]\w*)*")
"""Expressions that name a part of what every judge is shown anyway."""

LONGEST_NAME = 80


async def judge_case(draft: Draft, spec: StepSpec, item: ItemState, judge: JudgeSpec, name: str) -> PayloadRef:
    """Store the input of an attempt that judges an item's output, and give its reference; `name` is the validator's.

    Raises:
        ExpressionError: the rubric has an expression that does not evaluate.
    """
    assert item.with_ is not None and item.output is not None, "an output is judged, and it comes from an input"
    context = draft.context
    values = await context.payloads.values(context.tenant, [item.with_, item.output])
    given = values[item.with_.sha256]
    scope = {
        **await context.scope(draft.state(), spec),
        "with": given,
        "output": values[item.output.sha256],
    }
    try:
        rubric, material = kept_apart(judge.rubric, scope, context.expressions)
    except ExpressionError as error:
        message = f"the rubric of {name!r} cannot be filled in: {error.message}"
        raise ExpressionError(message, expression=error.expression) from error
    return draft.put_value(
        {
            "rubric": rubric,
            "with": given,
            "material": material,
            "votes": judge.votes,
            "min_score": judge.min_score,
            "on_abstain": judge.on_abstain,
        }
    )


def kept_apart(rubric: str, scope: Mapping[str, Any], expressions: Expressions) -> tuple[str, dict[str, Any]]:
    """A rubric that names its expressions in brackets, and the values which they stand for.

    What an expression gives never becomes part of the rubric: it may be text that a model or a stranger has written.

    Raises:
        ExpressionError: an expression does not evaluate.
    """
    text, material = "", dict[str, Any]()
    for piece in template_of(rubric).pieces:
        if isinstance(piece, str):
            text += piece
            continue
        value = expressions.evaluate(piece.expression, scope)
        name = piece.expression
        if len(name) > LONGEST_NAME or "\n" in name:
            name = f"value {len(material) + 1}"
        if not SHOWN.fullmatch(name):
            material[name] = value
        text += f"[{name}]"
    return text, material
