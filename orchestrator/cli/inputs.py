"""The inputs of a run from `-i key=value` and `--inputs FILE.json`, read by the types that the workflow declares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import InputError, InputsInvalid


def gather_inputs(schemas: Mapping[str, Mapping[str, Any]], pairs: Sequence[str], file: Path | None) -> dict[str, Any]:
    """The inputs of a run; a `key=value` wins over the same key of the file.

    Args:
        schemas: the workflow's `inputs`, a JSON Schema for each field.
        pairs: `key=value` texts. A field of type string is taken as it stands, others are parsed as JSON.
        file: a JSON file with one object.

    Raises:
        InputsInvalid: a key is unknown or its value cannot be read; all of them are named.
        InputError: a pair has no `=`, a key is given twice, or the file is no JSON object.
    """
    values = read_inputs_file(file) if file is not None else {}
    problems: list[str] = []
    seen: set[str] = set()
    for pair in pairs:
        key, value = split_pair(pair)
        if key in seen:
            raise InputError(f"input '{key}' is given twice", remedy="give lists as JSON: -i key='[1, 2]'")
        seen.add(key)
        if key not in schemas:
            problems.append(_unknown(key, schemas))
            continue
        try:
            values[key] = parse_value(schemas[key], value)
        except ValueError as error:
            problems.append(f"input '{key}': {error}")
    if problems:
        raise InputsInvalid("\n  ".join(["the inputs cannot be read:", *problems]))
    return values


def split_pair(pair: str) -> tuple[str, str]:
    """`key=value` apart, at the first `=`.

    Raises:
        InputError: there is no `=` or no key.
    """
    key, equals, value = pair.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{pair!r} is not of the form key=value", remedy="for example: -i folder=docs")
    return key.strip(), value


def parse_value(schema: Mapping[str, Any], text: str) -> Any:
    """A value as JSON unless the schema takes a string.

    Raises:
        ValueError: the text is not JSON though the schema's type asks for it; says what was expected.
    """
    types = declared_types(schema)
    if types == {"string"}:
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        if not types or "string" in types:
            return text
        expected = " or ".join(sorted(types))
        shown = text if len(text) <= 60 else text[:57] + "…"
        raise ValueError(f"{shown!r} is not a JSON value of type {expected}") from None


def declared_types(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema names itself, empty when it does not say."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return {declared}
    if isinstance(declared, list):
        return {str(name) for name in declared}
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    return {"string"} if choices and all(isinstance(choice, str) for choice in choices) else set()


def read_inputs_file(file: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: the file cannot be read, is not JSON, or holds something else than an object.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the inputs file {file}: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise InputError(f"{file} is not UTF-8 text") from error
    if not isinstance(data, dict):
        raise InputError(f"{file} must hold one JSON object", remedy='for example {"folder": "docs"}')
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unknown(key: str, schemas: Mapping[str, Any]) -> str:
    from orchestrator.workflow.suggestions import suggest

    hint = suggest(key, schemas) if schemas else "the workflow takes no inputs"
    return f"unknown input '{key}'" + (f" ({hint})" if hint else "")
