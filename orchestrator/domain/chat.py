"""One call of a chat model, as whoever traces it is told; and what tracing it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.domain.outcome import ErrorInfo, Usage


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation: `role` is `system`, `user`, `assistant` or `tool`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A call that has ended.

    Attributes:
        tier: the name that the workflow uses.
        provider: `openai` or `local`.
        model: what was asked for; `response_model` is what answered, empty where it did not say.
        server: the server's base URL.
        started_at: Unix seconds; `ended_at` likewise.
        messages: what was sent; empty when contents are not to be recorded.
        answer: the text that came back; likewise.
        schema: the name of the JSON schema that the answer had to fit, empty for free text.
        error: why it failed; None for an answer.
    """

    tier: str
    provider: str
    model: str
    server: str
    started_at: float
    ended_at: float
    messages: tuple[ChatMessage, ...] = ()
    answer: str = ""
    response_model: str = ""
    response_id: str = ""
    finish_reason: str = ""
    schema: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    usage: Usage = field(default_factory=Usage)
    error: ErrorInfo | None = None


class ChatTracer(Protocol):
    """Where ended calls are told: telemetry, joined to the models by the composition root."""

    def record_chat(self, call: ChatCall) -> None:
        """Record the call as a child of the current span."""
