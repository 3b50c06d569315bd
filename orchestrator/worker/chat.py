"""`TierModel`: a chat model that opens its tier at the first call, so that `ctx.model(…)` need not be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import BaseTool
from pydantic import Field, PrivateAttr

from orchestrator.llm.plain_calls import TRACED


class TierModel(BaseChatModel):
    """Stands for the chat model of a tier and hands every call on to it.

    Attributes:
        opener: gives the tier's client; called once.
        tier: a name of `configs/models.yaml`.
        loop: the attempt's event loop, for calls from a sync function's thread.
    """

    opener: Callable[[str], Awaitable[BaseChatModel]]
    tier: str
    loop: Any = None
    metadata: dict[str, Any] | None = Field(default_factory=lambda: {TRACED: True})
    _opened: BaseChatModel | None = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "orchestrator-tier"

    async def aopen(self) -> BaseChatModel:
        """The tier's own client."""
        if self._opened is None:
            self._opened = await self.opener(self.tier)
        return self._opened

    def open(self) -> BaseChatModel:
        """The tier's own client, from a thread other than the event loop's."""
        if self._opened is None:
            if self.loop is None or _on_a_loop():
                raise RuntimeError("in an async function use ainvoke, astream or abatch")
            future = asyncio.run_coroutine_threadsafe(self.aopen(), self.loop)
            self._opened = future.result()
        return self._opened

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        model = await self.aopen()
        return _single(await model.agenerate([messages], stop, **kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return _single(self.open().generate([messages], stop, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        model = await self.aopen()
        async for message in model.astream(messages, stop=stop, **kwargs):
            yield ChatGenerationChunk(message=message)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for message in self.open().stream(messages, stop=stop, **kwargs):
            yield ChatGenerationChunk(message=message)

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools, as the tier's own client binds them."""
        return self._deferred(lambda model: model.bind_tools(tools, **kwargs))

    def with_structured_output(self, schema: dict[str, Any] | type, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """The model with structured output, as the tier's own client makes it."""
        return self._deferred(lambda model: model.with_structured_output(schema, **kwargs))

    def _deferred(self, make: Callable[[BaseChatModel], Runnable[Any, Any]]) -> Runnable[Any, Any]:
        async def ainvoke(value: Any) -> Any:
            return await make(await self.aopen()).ainvoke(value)

        def invoke(value: Any) -> Any:
            return make(self.open()).invoke(value)

        return RunnableLambda(invoke, ainvoke, name=f"{self.tier} model")


def _single(result: LLMResult) -> ChatResult:
    generations = [item for item in result.generations[0] if isinstance(item, ChatGeneration)]
    return ChatResult(generations=generations, llm_output=result.llm_output)


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
