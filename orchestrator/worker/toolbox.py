"""The tools of one agent's attempt: what its model is told of them, and what becomes of every call."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.worker import CALLABLE, LONGEST_TOOL_NAME, tool_definition, tool_name
from orchestrator.errors import Fenced, InDoubt, SecretMissing, ServiceError, UnknownWorker
from orchestrator.telemetry import Tracing
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.describe import describe
from orchestrator.worker.failures import WrongInput
from orchestrator.worker.registry import Registry
from orchestrator.worker.tool_call import call_worker

MAX_RESULT = 50_000
"""Characters of a result that the model is given."""

MAX_ERROR = 2_000
MAX_SHOWN = 500
"""Characters of the arguments in an event."""

NOT_FOR_MODELS = (InDoubt, Fenced, ServiceError, SecretMissing, UnknownWorker)
"""These end the attempt: a model can mend none of them, and an effect in doubt must not be tried again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A tool call as the model wrote it; `problem` says why its arguments cannot be read, empty where they can."""

    name: str
    arguments: Mapping[str, Any]
    id: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model is told of its call: a result, or what went wrong."""

    text: str
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class ToolMaker:
    """Makes the toolboxes of a process.

    Attributes:
        registry: where tools are looked up.
        tracing: makes the spans of calls.
        max_output_bytes: of one result.
    """

    registry: Registry
    tracing: Tracing
    max_output_bytes: int

    def toolbox(self, names: Sequence[str], ctx: Context) -> Toolbox:
        """The tools that a step lists, for one attempt of it.

        Raises:
            UnknownWorker: this process does not know one of them.
        """
        missing = [name for name in names if name not in self.registry]
        if missing:
            raise UnknownWorker(
                f"this process has no tool called {', '.join(map(repr, missing))}",
                remedy="a process that serves agents must know their tools: check `workers` in its project",
            )
        tools = [self.registry.get(name) for name in names]
        for worker in tools:
            if worker.card.kind not in CALLABLE:
                raise UnknownWorker(f"{worker.name!r} is a {worker.card.kind}, not a tool ({worker.place})")
        return Toolbox(tools, ctx, self.tracing, max_bytes=self.max_output_bytes)


class Toolbox:
    """Runs the calls of one attempt. Nothing but the tools in it is ever run.

    Args:
        tools: those that the step lists.
        ctx: the attempt's.
        tracing: makes the spans of calls.
        max_bytes: of one result.
    """

    def __init__(self, tools: Sequence[Worker[..., Any]], ctx: Context, tracing: Tracing, *, max_bytes: int) -> None:
        self._tools = {tool_name(tool.name): tool for tool in tools}
        self._ctx = ctx
        self._tracing = tracing
        self._max_bytes = max_bytes
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The tools as OpenAI's protocol describes them."""
        return [tool_definition(tool.card, _description(tool)) for tool in self._tools.values()]

    async def call(self, asked: Asked, *, turn: int) -> Reply:
        """Run one call and tell of it, as an event and as a span.

        Args:
            asked: the call.
            turn: the model's turn that it belongs to, from 1.

        Returns:
            What the model is told; also of an unknown tool, of wrong arguments, and of what the tool raised.

        Raises:
            InDoubt: an effect of the tool was begun before and never confirmed; and what else no model can mend.
        """
        task = asyncio.current_task()
        assert task is not None, "tools are called on the event loop"
        self._running.add(task)
        try:
            return await self._told(asked, turn)
        finally:
            self._running.discard(task)

    async def close(self) -> None:
        """Wait until no tool runs any more; cancelled or not, nothing of the attempt may outlast it."""
        cancelled = False
        while self._running and not self._ctx.stop.abandoned:
            for task in self._running:
                task.cancel()
            try:
                await asyncio.wait(set(self._running))
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError

    async def _told(self, asked: Asked, turn: int) -> Reply:
        clean, tool = self._ctx.journal.clean, self._tools.get(tool_name(asked.name))
        name = tool.name if tool is not None else clean(asked.name)[:LONGEST_TOOL_NAME]
        arguments = clean(_json(asked.arguments))
        began, outcome = time.monotonic(), "cancelled"
        error: ErrorInfo | None = None
        try:
            with self._tracing.tool_span(
                name, call_id=asked.id, description=_description(tool) if tool else "", arguments=arguments
            ) as span:
                outcome, reply = await self._outcome(asked, tool) if tool is not None else self._refused(name)
                error = reply.error
                if error is None:
                    span.gave(reply.text)
                else:
                    span.failed(error)
                return reply
        except NOT_FOR_MODELS as raised:
            outcome, error = "failed", describe(raised, clean=clean)
            raise
        finally:
            data = {"tool": name, "turn": turn, "outcome": outcome, "duration": round(time.monotonic() - began, 6)}
            self._ctx.journal.tool({**data, **self._contents(arguments, error)})

    def _contents(self, arguments: str, error: ErrorInfo | None) -> dict[str, Any]:
        """What an event tells of a call's contents, where contents are told at all."""
        if not self._tracing.captures:
            return {} if error is None else {"error": {"code": error.code}}
        shown = arguments if len(arguments) <= MAX_SHOWN else arguments[:MAX_SHOWN] + "…"
        told = {} if error is None else {"error": {"code": error.code, "message": error.message[:MAX_SHOWN]}}
        return {"arguments": shown, **told}

    def _refused(self, name: str) -> tuple[str, Reply]:
        known = ", ".join(self._tools)
        return "refused", _refusal("unknown_tool", f"there is no tool {name!r} here; there are: {known}")

    async def _outcome(self, asked: Asked, tool: Worker[..., Any]) -> tuple[str, Reply]:
        if asked.problem:
            return "failed", _refusal(WrongInput.code, asked.problem)
        clean: Callable[[Any], Any] = self._ctx.journal.clean
        try:
            result = await call_worker(tool, asked.arguments, self._ctx, max_bytes=self._max_bytes)
        except NOT_FOR_MODELS:
            raise
        except asyncio.CancelledError as error:
            if _told_to_stop():
                raise
            return "failed", _failure(describe(error, clean=clean))
        except TimeoutError as error:
            return "timed_out", _failure(describe(error, clean=clean))
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - user code, which may take nothing with it, sys.exit included
            return "failed", _failure(describe(error, clean=clean))
        return "succeeded", Reply(_shortened(clean(_json(result))))


def _told_to_stop() -> bool:
    """Whether our task is being cancelled, and a tool did not just raise CancelledError by itself."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _refusal(code: str, message: str) -> Reply:
    return _failure(ErrorInfo(code, "error", message))


def _failure(error: ErrorInfo) -> Reply:
    return Reply(f"Error: {error.message}"[:MAX_ERROR], error)


def _shortened(text: str) -> str:
    if len(text) <= MAX_RESULT:
        return text
    return f"{text[:MAX_RESULT]}… [cut: {len(text):,} characters, of which these are the first {MAX_RESULT:,}]"


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _description(tool: Worker[..., Any]) -> str:
    """What the declaration says; where that is only the docstring's first line, the whole of it."""
    told, whole = tool.card.description, inspect.getdoc(tool.function) or ""
    return whole if told and whole.startswith(told) else told
