"""Values against JSON Schemas (2020-12), without network access and with messages that fit on a line."""

from __future__ import annotations

from functools import lru_cache
from json import dumps, loads
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

MOST_PROBLEMS = 10
LONGEST_MESSAGE = 300


def value_problems(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value: `path: message`, at most ten, in the order of the document.

    A `$ref` is followed inside the schema only; one that leads nowhere is a problem of the value's own.
    """
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(_validator(dumps(schema, sort_keys=True)).iter_errors(value), key=_place)
    except (Unresolvable, RecursionError) as error:
        return [f"the schema cannot be used: {error}"]
    return [_line(error) for error in errors[:MOST_PROBLEMS]]


@lru_cache(maxsize=512)
def _validator(schema: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # a tenth of a second that a worker process does without
    from referencing import Registry

    registry: Registry[Any] = Registry()
    return Draft202012Validator(loads(schema), registry=registry)


def _place(error: ValidationError) -> tuple[str, ...]:
    return tuple(f"{part:09d}" if isinstance(part, int) else str(part) for part in error.absolute_path)


def _line(error: ValidationError) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    message = error.message
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE // 2] + " … " + message[-LONGEST_MESSAGE // 2 :]
    return f"{path.removeprefix('.')}: {message}" if path else message
