"""The inputs of a run against the `inputs` of its workflow."""

from __future__ import annotations

import copy
from typing import Any

from orchestrator.errors import InputsInvalid
from orchestrator.workflow.json_schema import value_problems
from orchestrator.workflow.suggestions import suggest


def resolve_inputs(name: str, schemas: dict[str, dict[str, Any]], values: dict[str, Any]) -> dict[str, Any]:
    """Fill in defaults and check every field.

    Args:
        name: of the workflow, for the message.
        schemas: a JSON Schema for each field; one without a `default` is required.
        values: what the caller gave.

    Raises:
        InputsInvalid: names every field that is missing, unknown or wrong.
    """
    problems = []
    for field in values:
        if field not in schemas:
            hint = suggest(field, schemas)
            problems.append(f"unknown input '{field}'" + (f" ({hint})" if hint else ""))
    resolved: dict[str, Any] = {}
    for field, schema in schemas.items():
        if field in values:
            problems += [f"input '{field}': {problem}" for problem in value_problems(schema, values[field])]
            resolved[field] = values[field]
        elif "default" in schema:
            resolved[field] = copy.deepcopy(schema["default"])
        else:
            problems.append(f"input '{field}' is missing" + described(schema))
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise InputsInvalid(f"the inputs do not fit workflow '{name}':{lines}")
    return resolved


def described(schema: dict[str, Any]) -> str:
    """What a missing input is for, as far as its schema says so."""
    says = schema.get("description") or schema.get("type")
    return f" ({says})" if isinstance(says, str) else ""
