"""`ChatOpenAI` that tells of every call: to telemetry as a span, to the attempt as usage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from orchestrator.errors import ModelUnavailable
from orchestrator.llm.call_book import CallBook, OpenCall, counts_of
from orchestrator.llm.errors import MalformedReply
from orchestrator.llm.plain_calls import TRACED

UNREADABLE = "unreadable_tool_calls"
"""Where an answer tells which of its tool calls have arguments that are no JSON object, in `additional_kwargs`."""

_MALFORMED = (ValueError, TypeError, AttributeError, KeyError)


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
        chunks: list[ChatGenerationChunk] = []
        try:
            async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                chunks.append(chunk)
                yield chunk
                call.check_time()
        except BaseException as error:
            told = _told(call, error)
            if told is error:
                raise
            raise told from error
        for chunk in _end_stream(call, chunks):
            yield chunk

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._book.open(messages, kwargs, self.max_tokens)
        chunks: list[ChatGenerationChunk] = []
        try:
            for chunk in super()._stream(messages, stop, run_manager, **kwargs):
                chunks.append(chunk)
                yield chunk
                call.check_time()
        except BaseException as error:
            told = _told(call, error)
            if told is error:
                raise
            raise told from error
        yield from _end_stream(call, chunks)

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools.

        Raises:
            ModelUnavailable: it is the local model, whose server would ignore them.
        """
        if tools and self._book.settings.provider == "local":
            raise ModelUnavailable(
                f"the local model {self._book.settings.model} cannot call tools",
                remedy=f"give the tier {self._book.tier!r} a model that can, in configs/models.yaml",
            )
        return super().bind_tools(tools, **kwargs)

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type[Any], base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if made is None:
            return None
        for choice in (chunk.get("choices") or [])[:1]:  # LangChain drops both of these
            if refusal := (choice.get("delta") or {}).get("refusal"):
                made.message.additional_kwargs["refusal"] = refusal
            if choice.get("finish_reason"):
                made.generation_info = {**(made.generation_info or {}), "id": chunk.get("id")}
        return made

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
    unreadable = isinstance(error, json.JSONDecodeError | UnicodeDecodeError) or (
        isinstance(error, _MALFORMED) and hasattr(error, "response") and not isinstance(error, openai.APIError)
    )
    told = _malformed(error) if unreadable else error
    call.failed(told)
    return told


def _malformed(error: BaseException) -> MalformedReply:
    return MalformedReply(f"the model's server sent a reply that is not the OpenAI protocol's: {error}")


def _end_call(call: OpenCall, result: ChatResult) -> None:
    generation = result.generations[0]
    call.answered(generation.message, {**(result.llm_output or {}), **(generation.generation_info or {})})


def _end_stream(call: OpenCall, chunks: list[ChatGenerationChunk]) -> Iterator[ChatGenerationChunk]:
    """The stream is over; without a reason for its end it was broken off, which HTTP does not always tell.

    Gives a last chunk where tool calls are half written: LangChain would complete their JSON by guessing.
    """
    whole = chunks[0] + chunks[1:] if chunks else None
    told = {} if whole is None else {**whole.message.response_metadata, **(whole.generation_info or {})}
    if whole is None or not (told.get("finish_reason") or counts_of(whole.message).output):
        broken = MalformedReply(f"the model's server ended its stream {'early' if whole else 'before it began'}")
        call.failed(broken)
        raise broken
    call.answered(whole.message, told)
    wrong = [
        {"id": each["id"], "why": why}
        for each in getattr(whole.message, "tool_call_chunks", ())
        if (why := unreadable(each["args"]))
    ]
    if wrong:
        yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs={UNREADABLE: wrong}))


def unreadable(arguments: str | None) -> str:
    """Why the arguments of a tool call cannot be read, empty where they can; none at all are `{}`."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
        return f"the arguments are not valid JSON: {error}"
    return "" if isinstance(value, dict) else "the arguments are not a JSON object"
