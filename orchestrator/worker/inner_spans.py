"""What a Runnable or graph does inside an attempt, as spans below it: nodes, chat models, tools, retrievers."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import Span, StatusCode

from orchestrator.domain.chat import ChatCall, ChatMessage
from orchestrator.domain.outcome import ErrorInfo, Usage
from orchestrator.llm.errors import classify
from orchestrator.llm.plain_calls import TRACED, usage_of
from orchestrator.llm.prices import load_soon
from orchestrator.telemetry import names
from orchestrator.worker.context import Context

MOST = 500
"""Spans of one attempt; a graph that goes round for ever must not fill the database."""

_HIDDEN = "langsmith:hidden"
_ROLES = {"human": "user", "ai": "assistant"}


class InnerSpans(BaseCallbackHandler):
    """LangChain's callbacks as spans. The outermost Runnable is the attempt itself, so it has none.

    A call of a chat model that did not come from `ctx.model` becomes a `chat` span here, and what it used counts on the
    attempt; those of `ctx.model` tell of themselves.

    Args:
        ctx: of the attempt.
    """

    run_inline = True  # in the task whose span is current, before what it belongs to begins

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._above = trace.get_current_span()
        self._open: dict[UUID, Span] = {}
        self._parents: dict[UUID, Span] = {}
        self._chats: dict[UUID, ChatCall] = {}
        self._lock = threading.Lock()
        self._made = 0

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: str | None = None,
        **_: Any,
    ) -> None:
        """A node of the graph, or a part of a chain."""
        if parent_run_id is None or _HIDDEN in (tags or ()):
            self._pass(run_id, parent_run_id)
            return
        node = str((metadata or {}).get("langgraph_node") or "")
        shown = name or node or str((serialized or {}).get("name") or "runnable")
        if node and node != shown and shown.startswith(("Runnable", "Channel", "Pregel")):
            self._pass(run_id, parent_run_id)
            return
        self._start(names.NODE, shown, "CHAIN", run_id=run_id, parent=parent_run_id)

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: str | None = None,
        **_: Any,
    ) -> None:
        """A tool."""
        shown = name or str((serialized or {}).get("name") or "tool")
        extra = {names.OPERATION: names.EXECUTE_TOOL, names.TOOL: shown}
        self._start(names.EXECUTE_TOOL, shown, "TOOL", run_id=run_id, parent=parent_run_id, extra=extra)

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: str | None = None,
        **_: Any,
    ) -> None:
        """A retriever."""
        shown = name or str((serialized or {}).get("name") or "retriever")
        self._start(names.RETRIEVAL, shown, "RETRIEVER", run_id=run_id, parent=parent_run_id)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """A chat model; its span is made when it has ended."""
        told = metadata or {}
        self._pass(run_id, parent_run_id)
        if told.get(TRACED):
            return
        load_soon()
        with self._lock:
            self._chats[run_id] = ChatCall(
                tier="",
                provider=str(told.get("ls_provider") or "unknown"),
                model=str(told.get("ls_model_name") or (serialized or {}).get("name") or "unknown"),
                server="",
                started_at=time.time(),
                ended_at=0.0,
                messages=tuple(_message(each) for each in (messages[0] if messages else ())),
                temperature=told.get("ls_temperature"),
                max_tokens=told.get("ls_max_tokens"),
            )

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """A chat model has answered."""
        call = self._take_chat(run_id)
        if call is None:
            return
        message = _answer(response)
        told = getattr(message, "response_metadata", None) or {}
        answered = str(told.get("model_name") or "")
        self._record(
            run_id,
            replace(
                call,
                answer="" if message is None else str(message.text),
                response_model=answered,
                response_id=str(told.get("id") or getattr(message, "id", None) or ""),
                finish_reason=str(told.get("finish_reason") or ""),
                usage=usage_of(answered or call.model, getattr(message, "usage_metadata", None)),
            ),
        )
        self._back(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """A chat model has failed."""
        call = self._take_chat(run_id)
        if call is not None:
            info = classify(error) or ErrorInfo(type(error).__name__, "error", str(error) or type(error).__name__)
            self._record(run_id, replace(call, usage=Usage(model_calls=1), error=info))
            self._back(run_id)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """It is over."""
        self._end(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It has failed."""
        self._end(run_id, error)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """It is over."""
        self._end(run_id, None)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        """It is over."""
        self._end(run_id, None)

    on_tool_error = on_retriever_error = on_chain_error

    def close(self) -> None:
        """The attempt is over: what has not ended was cancelled."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
            chats, self._chats = dict(self._chats), {}
        for run_id, call in chats.items():
            cancelled = ErrorInfo("cancelled", "cancelled", "the attempt ended before the model had answered")
            self._record(run_id, replace(call, usage=Usage(model_calls=1), error=cancelled))
        for span in left:
            span.set_status(StatusCode.ERROR, "cancelled")
            span.end()
        if self._made > MOST:
            self._ctx.journal.note(
                "warning", f"{self._made - MOST} spans inside were not kept (an attempt keeps {MOST})"
            )

    def _start(
        self,
        operation: str,
        name: str,
        kind: str,
        *,
        run_id: UUID,
        parent: UUID | None,
        extra: dict[str, str] | None = None,
    ) -> None:
        above = self._pass(run_id, parent)
        with self._lock:
            self._made += 1
            if self._made > MOST:
                return
        attributes = {names.KIND: kind, names.NODE_ID: str(run_id), names.NODE_NAME: name, **(extra or {})}
        if parent is not None and above is not self._above:
            attributes[names.NODE_PARENT] = str(parent)
        under = trace.set_span_in_context(above)
        if self._ctx.tracing is None:
            return
        span = self._ctx.tracing.tracer.start_span(f"{operation} {name}", under, attributes=attributes)
        with self._lock:
            self._open[run_id] = span
        attach(trace.set_span_in_context(span))

    def _pass(self, run_id: UUID, parent: UUID | None) -> Span:
        """Note what a run stands below; the span itself."""
        with self._lock:
            known = (self._open.get(parent) or self._parents.get(parent)) if parent is not None else None
            above = self._parents[run_id] = known or self._above
        return above

    def _parent(self, run_id: UUID) -> Span:
        with self._lock:
            return self._parents.get(run_id, self._above)

    def _end(self, run_id: UUID, error: BaseException | None) -> None:
        with self._lock:
            span = self._open.pop(run_id, None)
        if span is not None:
            if error is None:
                span.set_status(StatusCode.OK)
            else:
                span.set_attribute(names.ERROR_TYPE, type(error).__name__)
                span.set_status(StatusCode.ERROR, str(error) or type(error).__name__)
            span.end()
        self._back(run_id)

    def _back(self, run_id: UUID) -> None:
        """What comes after in this task belongs to what this run stood below."""
        above = self._parent(run_id)
        with self._lock:
            self._parents.pop(run_id, None)
        attach(trace.set_span_in_context(above))

    def _record(self, run_id: UUID, call: ChatCall) -> None:
        self._ctx.add_usage(call.usage)
        if self._ctx.tracing is not None:
            with trace.use_span(self._parent(run_id)):
                self._ctx.tracing.record_chat(replace(call, ended_at=time.time()))

    def _take_chat(self, run_id: UUID) -> ChatCall | None:
        with self._lock:
            return self._chats.pop(run_id, None)


def _message(message: BaseMessage) -> ChatMessage:
    return ChatMessage(_ROLES.get(message.type, message.type), str(message.text))


def _answer(response: LLMResult) -> BaseMessage | None:
    first = response.generations[0][0] if response.generations and response.generations[0] else None
    return first.message if isinstance(first, ChatGeneration) else None
