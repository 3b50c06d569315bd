"""A model call as the attributes of its span."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from orchestrator.domain.chat import ChatCall, ChatMessage
from orchestrator.telemetry import names
from orchestrator.telemetry.attributes import usage_attributes


def chat_attributes(call: ChatCall, limit: int) -> dict[str, Any]:
    """The attributes of `chat {model}`.

    Args:
        call: already redacted.
        limit: bytes of message contents at the most; 0 leaves the contents out.
    """
    found: dict[str, Any] = {
        names.OPERATION: names.CHAT,
        names.KIND: "LLM",
        names.PROVIDER: call.provider,
        names.REQUEST_MODEL: call.model,
        names.TIER: call.tier,
        names.OUTPUT_TYPE: "json" if call.schema else "text",
        **usage_attributes(call.usage),
    }
    optional = {
        names.RESPONSE_MODEL: call.response_model or None,
        names.RESPONSE_ID: call.response_id or None,
        names.REQUEST_TEMPERATURE: call.temperature,
        names.REQUEST_MAX_TOKENS: call.max_tokens,
        names.ERROR_TYPE: call.error.error_class if call.error else None,
    }
    found |= {name: value for name, value in optional.items() if value is not None}
    if call.finish_reason:
        found[names.FINISH_REASONS] = [call.finish_reason]
    server = urlsplit(call.server)
    if server.hostname:
        found[names.SERVER_ADDRESS] = server.hostname
    if server.port:
        found[names.SERVER_PORT] = server.port
    return found | (_contents(call, limit) if limit else {})


def _contents(call: ChatCall, limit: int) -> dict[str, str]:
    whole = [message.content for message in call.messages] + [call.answer]
    *contents, answer = _fit(whole, limit)
    parts = [
        (message.role, {"type": "text", "content": content})
        for message, content in zip(call.messages, contents, strict=True)
    ]
    system = [part for role, part in parts if role == "system"]
    rest = [{"role": role, "parts": [part]} for role, part in parts if role != "system"]
    found = {}
    if system:
        found[names.SYSTEM_INSTRUCTIONS] = _json(system)
    if rest:
        found[names.INPUT_MESSAGES] = _json(rest)
    if call.answer:
        output = {"role": "assistant", "parts": [{"type": "text", "content": answer}]}
        found[names.OUTPUT_MESSAGES] = _json([output | {"finish_reason": call.finish_reason or "stop"}])
    return found


def _fit(texts: Sequence[str], limit: int) -> list[str]:
    """The texts, the long ones cut so that together they take about `limit` bytes at the most."""
    sizes = [len(text.encode(errors="replace")) for text in texts]
    if sum(sizes) <= limit:
        return list(texts)
    fair, left = {}, limit
    for place, index in enumerate(sorted(range(len(texts)), key=sizes.__getitem__)):
        fair[index] = min(sizes[index], left // (len(texts) - place))
        left -= fair[index]
    return [_cut(text, fair[index], sizes[index]) for index, text in enumerate(texts)]


def shortened(text: str, limit: int) -> str:
    """The text, cut where it is longer than `limit` bytes."""
    return _fit([text], limit)[0]


def _cut(text: str, room: int, size: int) -> str:
    if size <= room:
        return text
    kept = text.encode(errors="replace")[:room].decode(errors="ignore")
    return f"{kept}… [cut: {size} bytes]"


def redacted_call(call: ChatCall, clean: Any) -> tuple[tuple[ChatMessage, ...], str]:
    """The call's messages and answer with `clean` applied: before anything is cut, lest half a secret stay."""
    messages = tuple(ChatMessage(message.role, clean(message.content)) for message in call.messages)
    return messages, clean(call.answer)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
