"""JSON Schema 2020-12: whether a value fits, and whether a schema is one."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from orchestrator.workflow.json_schema import value_problems


def schema_problems(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value, at most ten lines `path: message` in the order of the value; empty if it fits."""
    return value_problems(schema, value)


def check_schema(schema: dict[str, Any]) -> str | None:
    """Why something is not a JSON Schema, with the path to the mistake; None if it is one."""
    try:
        Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except SchemaError as error:
        path = "/".join(map(str, error.absolute_path))
        return f"{path}: {error.message}" if path else error.message
    return None
