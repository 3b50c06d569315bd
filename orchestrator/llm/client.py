"""`ChatOpenAI` that tells of every call: to telemetry as a span, to the attempt as usage."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from orchestrator.domain.chat import ChatCall, ChatMessage, ChatTracer
from orchestrator.domain.outcome import ErrorInfo, Usage
from orchestrator.llm.errors import MalformedReply, classify
from orchestrator.llm.grammar import enforceable
from orchestrator.llm.plain_calls import TRACED
from orchestrator.llm.prices import TokenCounts, bounded_tokens, cost
from orchestrator.settings import ModelSettings

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_MALFORMED = (ValueError, TypeError, AttributeError, KeyError)


@dataclass(frozen=True, slots=True)
class CallBook:
    """What every call of one client shares.

    Attributes:
        server: the base URL.
        price_cap_usd: for one call; None for no cap.
        capture: whether the messages are told to the tracer.
    """

    tier: str
    settings: ModelSettings
    server: str
    on_usage: Callable[[Usage], None]
    tracer: ChatTracer | None = None
    price_cap_usd: float | None = None
    capture: bool = True

    def open(self, messages: Sequence[BaseMessage], arguments: dict[str, Any], max_tokens: int | None) -> OpenCall:
        """Begin a call. Under a cap, `arguments` may get a `max_tokens`; for the local model its schema is adapted.

        Raises:
            PriceCapExceeded: the call may cost too much.
        """
        asked = arguments.get("max_tokens", max_tokens)
        if self.price_cap_usd is not None:
            asked = arguments["max_tokens"] = bounded_tokens(self.settings, messages, asked, self.price_cap_usd)
        if self.settings.provider == "local" and "response_format" in arguments:
            arguments["response_format"] = enforceable(arguments["response_format"])
        return OpenCall(self, list(messages), arguments, asked)


@dataclass(slots=True)
class OpenCall:
    """A call that has not ended yet."""

    book: CallBook
    messages: list[BaseMessage]
    arguments: dict[str, Any]
    max_tokens: int | None
    started_at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.monotonic)

    def answered(self, message: BaseMessage, told: Mapping[str, Any]) -> None:
        """It ended with an answer.

        Args:
            message: the answer.
            told: what the server said about it: `model_name`, `id`, `finish_reason`.
        """
        self._end(
            _counts(message),
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
                schema=_schema_name(self.arguments.get("response_format")),
                temperature=settings.temperature,
                max_tokens=self.max_tokens,
                usage=usage,
                error=error,
            )
        )


class TracedChat(ChatOpenAI):
    """The client that workers get.

    The four methods below are where LangChain has every call pass, whether by `invoke`, streamed, with tools or
    structured output; unlike callbacks they also see a call that is cancelled.
    """

    _book: CallBook = PrivateAttr()

    @classmethod
    def opened(cls, book: CallBook, **arguments: Any) -> TracedChat:
        """A client whose calls are written into `book`; `arguments` are `ChatOpenAI`'s."""
        own = {"metadata": {**(arguments.get("metadata") or {}), TRACED: True}}
        client = cls(**(arguments | own))
        client._book = book
        return client

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._book.open(messages, kwargs, self.max_tokens)
        try:
            result = await super()._agenerate(messages, stop, run_manager, **kwargs)
        except BaseException as error:
            told = _told(call, error)
            if told is error:
                raise
            raise told from error
        _end_call(call, result)
        return result

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._book.open(messages, kwargs, self.max_tokens)
        try:
            result = super()._generate(messages, stop, run_manager, **kwargs)
        except BaseException as error:
            told = _told(call, error)
            if told is error:
                raise
            raise told from error
        _end_call(call, result)
        return result

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = self._book.open(messages, kwargs, self.max_tokens)
        whole: ChatGenerationChunk | None = None
        try:
            async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                whole = chunk if whole is None else whole + chunk
                yield chunk
        except BaseException as error:
            told = _told(call, error)
            if told is error:
                raise
            raise told from error
        _end_stream(call, whole)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._book.open(messages, kwargs, self.max_tokens)
        whole: ChatGenerationChunk | None = None
        try:
            for chunk in super()._stream(messages, stop, run_manager, **kwargs):
                whole = chunk if whole is None else whole + chunk
                yield chunk
        except BaseException as error:
            told = _told(call, error)
            if told is error:
                raise
            raise told from error
        _end_stream(call, whole)

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        try:
            return super()._create_chat_result(response, generation_info)
        except _MALFORMED as error:
            raise _malformed(error) from error


def _told(call: OpenCall, error: BaseException) -> BaseException:
    """Tell of a failed call; gives the exception to raise, which is the same unless the reply was not the protocol's.

    LangChain hangs the HTTP response on exceptions that came from reading it.
    """
    unreadable = isinstance(error, _MALFORMED) and hasattr(error, "response") and not isinstance(error, openai.APIError)
    told = _malformed(error) if unreadable else error
    call.failed(told)
    return told


def _malformed(error: BaseException) -> MalformedReply:
    return MalformedReply(f"the model's server sent a reply that is not the OpenAI protocol's: {error}")


def _end_call(call: OpenCall, result: ChatResult) -> None:
    generation = result.generations[0]
    call.answered(generation.message, {**(result.llm_output or {}), **(generation.generation_info or {})})


def _end_stream(call: OpenCall, whole: ChatGenerationChunk | None) -> None:
    if whole is None:
        call.failed(MalformedReply("the model's server sent an empty stream"))
    else:
        call.answered(whole.message, {**whole.message.response_metadata, **(whole.generation_info or {})})


def _counts(message: BaseMessage) -> TokenCounts:
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
