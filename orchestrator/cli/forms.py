"""A person's answer, from `-v key=value`, `--value` or prompts, read by the types that the form declares."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.cli.inputs import parse_value, split_pair
from orchestrator.errors import InputError

Form = Mapping[str, Any]
_DEFINITIONS: Final = ("$defs", "definitions")
_LEFT_OUT: Final = object()


def form_fields(form: Form | None) -> dict[str, dict[str, Any]]:
    """The fields of a form that asks for an object, with the form's own definitions in each; empty for other forms."""
    properties = (form or {}).get("properties")
    if form is None or not isinstance(properties, dict) or form.get("type", "object") != "object":
        return {}
    shared = {name: form[name] for name in _DEFINITIONS if name in form}
    return {name: shared | schema if isinstance(schema, dict) else {} for name, schema in properties.items()}


def read_answer(form: Form | None, pairs: Sequence[str], text: str | None) -> Any:
    """The answer that the command line gives.

    What a field's type does not allow is left as text, so that the check against the form names it with all the rest.

    Args:
        form: JSON Schema of the answer, None where any JSON will do.
        pairs: `key=value` texts.
        text: JSON, or `@` and the path of a file that holds it; a form for a string takes it as it stands.

    Raises:
        InputError: both are given, a pair has no `=` or comes twice, or the text or file is no JSON.
    """
    if text is not None:
        if pairs:
            raise InputError("both --value and -v are given", remedy="give the whole value, or its fields")
        return _read_file(Path(text[1:])) if text.startswith("@") else _read_text(form, text)
    fields, value = form_fields(form), {}
    for pair in pairs:
        key, said = split_pair(pair)
        if key in value:
            raise InputError(f"field '{key}' is given twice", remedy="give lists as JSON: -v key='[1, 2]'")
        try:
            value[key] = parse_value(fields.get(key, {}), said)
        except ValueError:
            value[key] = said
    return value


def _read_text(form: Form | None, text: str) -> Any:
    try:
        return parse_value(form or {}, text)
    except ValueError as error:
        raise InputError(str(error)) from None


def _read_file(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise InputError(f"{file} is not UTF-8 text") from error


def prompt_answer(form: Form | None, ask: Callable[[str], str], say: Callable[[str], None]) -> Any:
    """Ask for each field of a form until it fits; an empty line leaves an optional one out.

    Args:
        form: JSON Schema of the answer, None where any JSON will do.
        ask: shows a label and gives the line that the person types.
        say: shows what is wrong with it.
    """
    fields = form_fields(form)
    if not fields:
        return _prompt("answer", dict(form or {}), ask, say, required=True)
    value = {}
    for name, schema in fields.items():
        given = _prompt(name, schema, ask, say, required=name in (form or {}).get("required", ()))
        if given is not _LEFT_OUT:
            value[name] = given
    return value


def _prompt(
    name: str, schema: dict[str, Any], ask: Callable[[str], str], say: Callable[[str], None], *, required: bool
) -> Any:
    from orchestrator.workflow.json_schema import value_problems

    while True:
        text = ask(_label(name, schema, required=required)).strip()
        if not text and not required:
            return _LEFT_OUT
        if not text and "default" in schema:
            return copy.deepcopy(schema["default"])
        try:
            value = parse_value(schema, text)
            problems = value_problems(schema, value) if text else ["a value is needed"]
        except ValueError as error:
            problems = [str(error)]
        if not problems:
            return value
        for problem in problems:
            say(f"{name}: {problem}")


def _label(name: str, schema: dict[str, Any], *, required: bool) -> str:
    from orchestrator.client.questions import kind_text

    notes = [kind_text(schema), *([] if required else ["Enter leaves it out"])]
    if required and "default" in schema:
        notes.append(f"Enter for {json.dumps(schema['default'], ensure_ascii=False)}")
    said = ", ".join(note for note in notes if note)
    described = schema.get("description") or schema.get("title")
    return f"{name}{f' ({said})' if said else ''}{f': {described}' if described else ''}"
