"""The built-in worker behind `kind: agent` steps: a model's turns, with tools and structured output where asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.domain.worker import MAX_TURNS
from orchestrator.errors import InvalidOutput
from orchestrator.llm.loading import load_clients

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from orchestrator.worker.context import Context
    from orchestrator.worker.toolbox import ToolMaker

EXCERPT = 200


class Tiers(Protocol):
    """What an agent needs of `orchestrator.llm.Models`."""

    @property
    def tiers(self) -> tuple[str, ...]:
        """The project's tiers, in their order."""


async def run_agent(
    input: Mapping[str, Any], ctx: Context, *, models: Tiers | None, tools: ToolMaker | None = None
) -> Any:
    """Ask the step's model: once, or until it calls no more tools.

    Args:
        input: `prompt`, and optionally `system` and `schema` (JSON Schema of the answer).
        ctx: of the attempt; in a revision the rejected output and the feedback go into the conversation.
        models: of the process: a step that names no tier gets the first.
        tools: of the process: what the step's `tools` are found in.

    Returns:
        The structured answer; `{"text": …}` when there is no schema.

    Raises:
        InvalidOutput: the answer is cut off, refused, empty or not JSON, or did not come within `max_turns`.
        UnknownWorker: this process does not know one of the step's tools.
        ModelUnavailable: the step's tier cannot be used; and whatever the call raises.
    """
    await load_clients()
    from orchestrator.llm.structured import structured_turn

    schema, listed = input.get("schema"), ctx.options.get("tools") or ()
    toolbox = tools.toolbox(listed, ctx) if tools is not None and listed else None
    named = ctx.options.get("model")
    model = await ctx.open_model(named or (models.tiers[0] if models and models.tiers else None))
    messages = conversation(input, ctx.feedback, ctx.rejected, tools=toolbox is not None)
    if toolbox is None:
        result = await structured_turn(model, messages, schema, on_text=ctx.journal.say)
    else:
        # LangChain's agents take half a second to import, in which the process must not stand still.
        loop = await asyncio.to_thread(import_module, "orchestrator.worker.agent_loop")
        turns = int(ctx.options.get("max_turns") or MAX_TURNS)
        result = await loop.take_turns(model, messages, schema, toolbox=toolbox, max_turns=turns, journal=ctx.journal)
    if result.problem is not None:
        raise InvalidOutput(result.problem + _excerpt(result.text))
    return {"text": result.text} if schema is None else result.value


def conversation(
    input: Mapping[str, Any], feedback: Sequence[str], rejected: Any, *, tools: bool = False
) -> list[BaseMessage]:
    """The messages of a turn: system and schema, the prompt, and in a revision what was rejected and why."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    schema = input.get("schema")
    system = "\n\n".join(filter(None, [input.get("system"), _instruction(schema, tools=tools)]))
    messages: list[BaseMessage] = [SystemMessage(system)] if system else []
    messages.append(HumanMessage(str(input["prompt"])))
    if feedback:
        if rejected is not None:
            messages.append(AIMessage(_as_answered(rejected, schema)))
        messages.append(HumanMessage(_complaint(feedback)))
    return messages


def _instruction(schema: Mapping[str, Any] | None, *, tools: bool) -> str:
    if schema is None:
        return ""
    begin = "Call tools as you need them, then answer" if tools else "Answer"
    return f"{begin} with JSON alone, that fits this JSON Schema:\n{_json(schema)}"


def _as_answered(rejected: Any, schema: Mapping[str, Any] | None) -> str:
    if schema is None and isinstance(rejected, dict) and set(rejected) == {"text"}:
        return str(rejected["text"])
    return _json(rejected)


def _complaint(feedback: Sequence[str]) -> str:
    points = "\n".join(f"- {point}" for point in feedback)
    return f"This answer was rejected:\n{points}\nAnswer again in full, and mend these points."


def _excerpt(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return ""
    return f" (it began: {text[:EXCERPT]}{'…' if len(text) > EXCERPT else ''})"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
