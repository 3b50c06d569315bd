"""One model turn with a structured answer; what is wrong with the answer is a finding, not an exception."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_WRAPPED = "value"


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What came back.

    Attributes:
        value: the structured answer; None when there is a problem or no schema was given.
        text: the answer as the model wrote it.
        problem: why the answer cannot be used, in one sentence, or None.
    """

    value: Any
    text: str
    problem: str | None = None


async def structured_turn(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    schema: dict[str, Any] | None,
    *,
    on_text: Callable[[str], None] = lambda _: None,
) -> TurnResult:
    """Ask once, and read the answer as it comes.

    An answer that is cut off, refused, empty or not JSON has a `problem`. Whether JSON fits the schema is for the
    validators to say. Errors of the call itself are raised; see `classify`.

    Args:
        model: any chat model whose server knows OpenAI's `response_format`.
        messages: the conversation so far.
        schema: JSON Schema of the answer; None asks for free text.
        on_text: told each piece of the answer as it comes.
    """
    asked = model.bind(**answer_settings(schema))
    chunks: list[Any] = []
    async for chunk in asked.astream(list(messages)):
        on_text(str(chunk.text))
        chunks.append(chunk)
    return read_answer(chunks[0] + chunks[1:] if chunks[1:] else chunks[0], schema)


def answer_settings(schema: dict[str, Any] | None) -> dict[str, Any]:
    """What every call is sent with, so that its answer fits the schema; nothing for free text.

    It goes in the request's body as it is. As LangChain's own `response_format` the OpenAI client would parse the
    answer itself: that takes no tools but strict ones, and loses the tokens of an answer that is cut off.
    """
    return {} if schema is None else {"extra_body": {"response_format": _response_format(schema)}}


def read_answer(answer: BaseMessage, schema: dict[str, Any] | None) -> TurnResult:
    """What a model's last message comes to."""
    text = str(answer.text)
    problem = _refusal(answer, text, schema)
    if problem or schema is None:
        return TurnResult(None, text, problem)
    return _parsed(text, wrapped=not _is_object(schema))


def _refusal(answer: BaseMessage, text: str, schema: dict[str, Any] | None) -> str | None:
    refusal = answer.additional_kwargs.get("refusal")
    if refusal:
        return f"the model refused: {refusal}"
    ended = answer.response_metadata.get("finish_reason")
    if ended == "content_filter":
        return "the server's content filter stopped the answer"
    if ended == "length" and schema is not None:
        return f"the answer was cut off after {len(text)} characters: it must be shorter"
    return None if text.strip() else "the answer is empty"


def _parsed(text: str, *, wrapped: bool) -> TurnResult:
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced.group(1) if fenced else text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return TurnResult(None, text, "the answer holds half a character (a lone surrogate)")
    except RecursionError:
        return TurnResult(None, text, "the answer is nested too deep")
    except ValueError as error:
        return TurnResult(None, text, f"the answer is not valid JSON: {error}")
    if wrapped and isinstance(value, dict) and set(value) == {_WRAPPED}:
        value = value[_WRAPPED]
    return TurnResult(value, text)


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's `response_format`. Not strict: that mode forbids optional fields and most of JSON Schema."""
    name = _NAME.sub("_", str(schema.get("title", ""))).strip("_")[:64] or "output"
    whole = schema if _is_object(schema) else _wrap(schema)
    return {"type": "json_schema", "json_schema": {"name": name, "schema": whole, "strict": False}}


def _is_object(schema: dict[str, Any]) -> bool:
    return schema.get("type", "object") == "object" and not any(
        key in schema for key in ("enum", "const", "anyOf", "oneOf", "allOf", "$ref") if "properties" not in schema
    )


def _wrap(schema: dict[str, Any]) -> dict[str, Any]:
    """An object around a schema of another type, which servers do not take at the root."""
    inner = {key: value for key, value in schema.items() if key not in {"$defs", "$schema", "$id"}}
    wrapper: dict[str, Any] = {
        "type": "object",
        "properties": {_WRAPPED: inner},
        "required": [_WRAPPED],
        "additionalProperties": False,
    }
    return wrapper | ({"$defs": schema["$defs"]} if "$defs" in schema else {})


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
