"""One call of a chat model from its beginning to its end, as telemetry and the attempt are told of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from orchestrator.domain.chat import ChatCall, ChatMessage, ChatTracer
from orchestrator.domain.outcome import ErrorInfo, Usage
from orchestrator.llm.allowance import Allowance, Hold
from orchestrator.llm.errors import classify
from orchestrator.llm.grammar import enforceable
from orchestrator.llm.prices import TokenCounts, bounded_tokens, cost, prompt_tokens
from orchestrator.settings import ModelSettings

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}


@dataclass(frozen=True, slots=True)
class CallBook:
    """What every call of one client shares.

    Attributes:
        server: the base URL.
        price_cap_usd: for one call; None for no cap.
        allowance: what all calls of the attempt may use together; None without limit.
        capture: whether the messages are told to the tracer.
        timeout: seconds for one call, an answer that is streamed included; None for no limit.
    """

    tier: str
    settings: ModelSettings
    server: str
    on_usage: Callable[[Usage], None]
    tracer: ChatTracer | None = None
    price_cap_usd: float | None = None
    allowance: Allowance | None = None
    capture: bool = True
    timeout: float | None = None

    def open(self, messages: Sequence[BaseMessage], arguments: dict[str, Any], max_tokens: int | None) -> OpenCall:
        """Begin a call. Under a limit, `arguments` may get a `max_tokens`; for the local model its schema is adapted.

        Raises:
            PriceCapExceeded: the call may cost too much.
            AllowanceExceeded: it may use more than the attempt has left.
        """
        asked = arguments.get("max_tokens", max_tokens)
        hold = Hold()
        if self.price_cap_usd is not None or self.allowance is not None:
            tools = len(json.dumps(arguments.get("tools") or "", default=str).encode())
            if self.price_cap_usd is not None:
                asked = bounded_tokens(self.settings, messages, asked, self.price_cap_usd, besides=tools)
            if self.allowance is not None:
                asked, hold = self.allowance.open(self.settings, prompt_tokens(messages, besides=tools), asked)
            arguments["max_tokens"] = asked
        # What a call adds to the body replaces what the tier adds, unless they are joined.
        body = {**(self.settings.extra.get("extra_body") or {}), **(arguments.get("extra_body") or {})}
        if body:
            arguments["extra_body"] = body
        if self.settings.provider == "local":
            for where in (arguments, body):
                if "response_format" in where:
                    where["response_format"] = enforceable(where["response_format"])
        return OpenCall(self, list(messages), arguments, asked, hold)


@dataclass(slots=True)
class OpenCall:
    """A call that has not ended yet."""

    book: CallBook
    messages: list[BaseMessage]
    arguments: dict[str, Any]
    max_tokens: int | None
    hold: Hold = field(default_factory=Hold)
    started_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)

    def check_time(self) -> None:
        """Raise `TimeoutError` once the call takes too long; for each piece of its answer the client waits as long."""
        limit = self.book.timeout
        if limit is not None and time.monotonic() - self.began > limit:
            raise TimeoutError(f"the model's answer was not complete after {limit:g}s")

    @property
    def response_format(self) -> Any:
        """The shape that the answer is asked to have, None for free text."""
        return self.arguments.get("response_format") or (self.arguments.get("extra_body") or {}).get("response_format")

    def answered(self, message: BaseMessage, told: Mapping[str, Any]) -> None:
        """It ended with an answer.

        Args:
            message: the answer.
            told: what the server said about it: `model_name`, `id`, `finish_reason`.
        """
        self._end(
            counts_of(message),
            answer=_text_of(message),
            model=told.get("model_name") or "",
            id=told.get("id") or message.id or "",
            finish_reason=told.get("finish_reason") or "",
        )

    def failed(self, error: BaseException) -> None:
        """It ended with an exception; an answer that was cut off has its tokens all the same."""
        info = classify(error) or ErrorInfo(type(error).__name__, "error", str(error) or type(error).__name__)
        completion = getattr(error, "completion", None)
        if completion is None:
            self._end(TokenCounts(), error=info)
            return
        choice, used = completion.choices[0], completion.usage
        self._end(
            TokenCounts(used.prompt_tokens, used.completion_tokens) if used else TokenCounts(),
            answer=choice.message.content or "",
            model=completion.model,
            id=completion.id,
            finish_reason=choice.finish_reason,
            error=info,
        )

    def _end(
        self,
        counts: TokenCounts,
        *,
        answer: str = "",
        model: str = "",
        id: str = "",
        finish_reason: str = "",
        error: ErrorInfo | None = None,
    ) -> None:
        book, settings = self.book, self.book.settings
        spent = cost(settings, model, counts) if error is None or counts.output else None
        usage = Usage(counts.input, counts.output, spent, model_calls=1)
        if book.allowance is not None:
            book.allowance.close(self.hold, usage)
        book.on_usage(usage)
        if book.tracer is None:
            return
        book.tracer.record_chat(
            ChatCall(
                tier=book.tier,
                provider=settings.provider,
                model=settings.model,
                server=book.server,
                started_at=self.started_at,
                ended_at=self.started_at + time.monotonic() - self.began,
                messages=_messages(self.messages) if book.capture else (),
                answer=answer if book.capture else "",
                response_model=model,
                response_id=id,
                finish_reason=finish_reason,
                schema=_schema_name(self.response_format),
                temperature=settings.temperature,
                max_tokens=self.max_tokens,
                usage=usage,
                error=error,
            )
        )


def counts_of(message: BaseMessage) -> TokenCounts:
    """The tokens that the server counted."""
    used = message.usage_metadata if isinstance(message, AIMessage) else None
    if used is None:
        return TokenCounts()
    cached = used.get("input_token_details", {}).get("cache_read") or 0
    return TokenCounts(used["input_tokens"], used["output_tokens"], cached)


def _messages(messages: Sequence[BaseMessage]) -> tuple[ChatMessage, ...]:
    return tuple(ChatMessage(_ROLES.get(message.type, message.type), _text_of(message)) for message in messages)


def _text_of(message: BaseMessage) -> str:
    text = str(message.text)
    calls = getattr(message, "tool_calls", None)
    return (
        text if not calls else "\n".join(filter(None, [text, *(f"{call['name']}({call['args']})" for call in calls)]))
    )


def _schema_name(response_format: Any) -> str:
    if not isinstance(response_format, dict):
        return getattr(response_format, "__name__", "")
    return str(response_format.get("json_schema", {}).get("name") or response_format.get("type", ""))
