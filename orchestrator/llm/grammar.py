"""Schemas that the local model's server can enforce: it turns them into a grammar, whose repetitions are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = {"maxLength": 2_000, "maxItems": 500, "maxProperties": 500}
"""llama.cpp refuses a repetition of more than 2,000; nested ones count together (2,000 items of 2,000 do not fit,
500 do). An answer of 700 tokens reaches neither."""

LEAST = {"minLength": 1_000, "minItems": 500, "minProperties": 500}
_VALUES = frozenset({"const", "default", "enum", "examples"})


def enforceable(schema: Any) -> Any:
    """The schema with upper bounds lowered and lower bounds left out where they are too large.

    What fits the result fits the upper bounds of the schema; for the lower ones the validators look at the whole.

    Args:
        schema: JSON Schema; nothing is changed in place.
    """
    if isinstance(schema, list):
        return [enforceable(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        bound = isinstance(value, int) and not isinstance(value, bool)
        if bound and key in LEAST and value > LEAST[key]:
            continue
        if bound and key in MOST:
            found[key] = min(value, MOST[key])
        else:
            found[key] = value if key in _VALUES else enforceable(value)
    return found
