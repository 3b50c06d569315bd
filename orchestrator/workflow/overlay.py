"""What may be laid over a step's rendered `with` when a run is forked: literal JSON that the step's worker takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.workflow.json_schema import value_problems
from orchestrator.workflow.model import StepSpec
from orchestrator.workflow.shapes import Shape
from orchestrator.workflow.signatures import Signature
from orchestrator.workflow.suggestions import suggest


def overlay_problems(spec: StepSpec, values: Any, signature: Signature | None) -> list[str]:
    """What is wrong with an overlay, one line each; empty if the step takes it.

    Args:
        spec: the step.
        values: by key of `with`; replace what is rendered there.
        signature: of what carries the step out. Where its input is not known, the keys are those of the step's `with`.
    """
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        return ["it must be a JSON object with the keys of the step's `with`"]
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        return [f"it is not plain JSON: {error}"]
    takes, who = _takes(signature), signature.called if signature is not None else f"step '{spec.id}'"
    known = takes.fields if takes is not None else list(_own(spec))
    problems = []
    for name, value in values.items():
        if known is not None and name not in known:
            hint = suggest(name, known)
            problems.append(f"{who} takes no '{name[:60]}'" + (f" ({hint})" if hint else ""))
        elif takes is not None and (schema := _schema(takes, name)) is not None:
            problems += [f"'{name}': {problem}" for problem in value_problems(schema, value)]
    return problems


def overlay_schemas(spec: StepSpec, signature: Signature | None) -> dict[str, dict[str, Any]]:
    """A JSON Schema for each key that may be laid over, as far as they are known; an empty one says nothing."""
    takes = _takes(signature)
    names = (takes.fields if takes is not None else None) or _own(spec)
    return {name: (_schema(takes, name) if takes is not None else None) or {} for name in names}


def _takes(signature: Signature | None) -> Shape | None:
    return None if signature is None or signature.takes is None else signature.takes.resolved()


def _own(spec: StepSpec) -> Mapping[str, Any]:
    return {**spec.with_, **(spec.repeat.with_ if spec.repeat is not None else {})}


def _schema(takes: Shape, name: str) -> dict[str, Any] | None:
    """The schema of one key, with what its references point into; None where nothing is known of it."""
    field = takes.at(name)
    if field is None:
        return None
    return {**field.schema, **({"$defs": field.root["$defs"]} if "$defs" in field.root else {})}
