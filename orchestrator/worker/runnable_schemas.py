"""What a LangChain Runnable or a LangGraph graph takes and gives, as far as a JSON Schema can say it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

_MESSAGES = ("BaseMessage", "AIMessage", "HumanMessage", "PromptValue")
"""LangChain takes messages in a dozen forms that their own schema does not know of."""


_GUESSED = "RunnableLambdaInput"
"""LangChain reads the source of an untyped function and takes every key that occurs in it for required."""


def input_schema(runnable: Runnable[Any, Any]) -> dict[str, Any] | None:
    """JSON Schema of the input; None where the Runnable does not say, or takes messages.

    A graph reads its own keys and passes over every other one, so others are refused; none of them is required.
    """
    schema = _plain(_asked(runnable.get_input_jsonschema))
    if schema is not None and is_graph(runnable) and "properties" in schema:
        schema.pop("required", None)
        schema["additionalProperties"] = False
    return schema


def output_schema(runnable: Runnable[Any, Any]) -> dict[str, Any] | None:
    """JSON Schema of the output; None where the Runnable does not say, or gives messages."""
    schema = _plain(_asked(runnable.get_output_jsonschema))
    if schema is not None and is_graph(runnable):
        schema.pop("required", None)
    return schema


def is_graph(runnable: object) -> bool:
    """Whether it is a compiled LangGraph graph; without importing LangGraph, which a graph has brought with it."""
    return any(
        each.__name__ == "Pregel" and each.__module__.startswith("langgraph.") for each in type(runnable).__mro__
    )


def _asked(give: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return dict(give())
    except Exception:  # noqa: BLE001 - types that have no schema, each with an error of its own
        return {}


def _plain(schema: dict[str, Any]) -> dict[str, Any] | None:
    if not schema.keys() - {"title", "description", "$defs"} or schema.get("title") == _GUESSED:
        return None
    if not any(name in schema.get("$defs", {}) for name in _MESSAGES):
        return schema
    if "properties" not in schema:
        return None
    del schema["$defs"]
    schema["properties"] = {
        key: {} if "$ref" in json.dumps(each) else each for key, each in schema["properties"].items()
    }
    return schema
