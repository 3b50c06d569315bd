"""An agent's turns: LangChain's own loop, with our tools at its hook for tool calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, ModelRequest, ModelResponse
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from orchestrator.errors import InvalidOutput
from orchestrator.llm.client import UNREADABLE, unreadable
from orchestrator.llm.structured import TurnResult, answer_settings, read_answer
from orchestrator.worker.journal import Journal
from orchestrator.worker.toolbox import Asked, Toolbox

AT_ONCE = 8
"""Tool calls of one turn that run at the same time."""


async def take_turns(
    model: BaseChatModel,
    messages: Sequence[BaseMessage],
    schema: dict[str, Any] | None,
    *,
    toolbox: Toolbox,
    max_turns: int,
    journal: Journal,
) -> TurnResult:
    """Let the model call tools until it answers.

    Args:
        model: of the step.
        messages: the conversation so far.
        schema: JSON Schema of the answer; None asks for free text.
        toolbox: the step's tools. When this returns or raises, none of them runs any more.
        max_turns: calls of the model at most.
        journal: told what the model says, as it says it.

    Raises:
        InvalidOutput: the model wanted more turns than it has.
        ModelUnavailable: the model cannot call tools; and whatever its calls raise.
    """
    tools = _Tools(toolbox, journal, answer_settings(schema))
    limit: AgentMiddleware[Any, Any, Any] = ModelCallLimitMiddleware(run_limit=max_turns, exit_behavior="error")
    agent = create_agent(model, toolbox.definitions, middleware=[limit, tools])
    given: Any = {"messages": list(messages)}
    config: RunnableConfig = {"max_concurrency": AT_ONCE}
    state: dict[str, Any] = {}
    var_child_runnable_config.set(None)  # whoever opened this process may have done so within a graph of their own
    try:
        stream: Any = agent.astream(given, config, stream_mode=["messages", "values"])
        async with aclosing(stream) as parts:
            async for kind, part in parts:
                if kind == "values":
                    state = part
                elif isinstance(part[0], AIMessageChunk) and part[1].get("langgraph_node") == "model":
                    journal.say(str(part[0].text))
    except ModelCallLimitExceededError as error:
        raise InvalidOutput(f"no answer after {max_turns} turns: the model still called tools (max_turns)") from error
    finally:
        journal.end_turn()
        await toolbox.close()
    return read_answer(state["messages"][-1], schema)


class _Tools(AgentMiddleware[Any, Any, Any]):
    """Sends what every call is sent with, and runs the tools that the model calls."""

    def __init__(self, toolbox: Toolbox, journal: Journal, settings: dict[str, Any]) -> None:
        super().__init__()
        self._toolbox = toolbox
        self._journal = journal
        self._settings = settings
        self._turn = self._ended = 0
        self._unreadable: dict[str, str] = {}

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """One turn."""
        self._turn += 1
        response = await handler(request.override(model_settings={**request.model_settings, **self._settings}))
        result = [self._repaired(each) if isinstance(each, AIMessage) else each for each in response.result]
        return ModelResponse(result=result)

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage:
        """One call, without LangChain's own handling of tools: `handler` would find none."""
        if self._ended < self._turn:
            self._journal.end_turn()
            self._ended = self._turn
        var_child_runnable_config.set(None)  # models and graphs inside a tool are no part of this graph
        call = request.tool_call
        called = str(call["id"])
        asked = Asked(call["name"], call["args"], called, self._unreadable.get(called, ""))
        reply = await self._toolbox.call(asked, turn=self._turn)
        status = "success" if reply.error is None else "error"
        return ToolMessage(reply.text, tool_call_id=called, name=call["name"], status=status)

    def _repaired(self, message: AIMessage) -> AIMessage:
        """The message with an id for every call, and with unreadable calls among the others, to be told of them.

        LangChain would take a message in which all calls are unreadable for the answer.
        """
        calls = [*message.tool_calls]
        for wrong in message.invalid_tool_calls:
            identity = wrong.get("id") or f"call_{self._turn}_{len(calls)}"
            self._unreadable[identity] = unreadable(wrong.get("args"))
            calls.append(tool_call(name=wrong.get("name") or "", args={}, id=identity))
        for half in message.additional_kwargs.get(UNREADABLE, ()):
            self._unreadable.setdefault(str(half["id"]), half["why"])
        if not calls:
            return message
        named = [{**call, "id": call["id"] or f"call_{self._turn}_{place}"} for place, call in enumerate(calls)]
        return message.model_copy(update={"tool_calls": named, "invalid_tool_calls": []})
