"""The built-in worker behind `kind: agent` steps: one model turn, with structured output where there is a schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.errors import InvalidOutput

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

EXCERPT = 200


class AgentContext(Protocol):
    """What an agent needs of `orchestrator.worker.Context`."""

    @property
    def feedback(self) -> Sequence[str]:
        """In a revision: what was wrong with the rejected output."""

    @property
    def rejected(self) -> Any:
        """In a revision: the rejected output, None where there was none that could be kept."""

    @property
    def options(self) -> Mapping[str, Any]:
        """`model` is the step's tier, if it names one."""

    async def open_model(self, tier: str | None = None) -> BaseChatModel:
        """A tier's model; None is the step's own."""


class Tiers(Protocol):
    """What an agent needs of `orchestrator.llm.Models`."""

    @property
    def tiers(self) -> tuple[str, ...]:
        """The project's tiers, in their order."""


async def run_agent(input: Mapping[str, Any], ctx: AgentContext, *, models: Tiers | None) -> Any:
    """Ask the step's model once.

    Args:
        input: `prompt`, and optionally `system` and `schema` (JSON Schema of the answer).
        ctx: of the attempt; in a revision the rejected output and the feedback go into the conversation.
        models: of the process: a step that names no tier gets the first.

    Returns:
        The structured answer; `{"text": …}` when there is no schema.

    Raises:
        InvalidOutput: the answer is cut off, refused, empty or not JSON.
        ModelUnavailable: the step's tier cannot be used; and whatever the call raises.
    """
    from orchestrator.llm.structured import structured_turn  # imports the model clients

    schema = input.get("schema")
    named = ctx.options.get("model")
    model = await ctx.open_model(named or (models.tiers[0] if models and models.tiers else None))
    result = await structured_turn(model, conversation(input, ctx.feedback, ctx.rejected), schema)
    if result.problem is not None:
        raise InvalidOutput(result.problem + _excerpt(result.text))
    return {"text": result.text} if schema is None else result.value


def conversation(input: Mapping[str, Any], feedback: Sequence[str], rejected: Any) -> list[BaseMessage]:
    """The messages of a turn: system and schema, the prompt, and in a revision what was rejected and why."""
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    schema = input.get("schema")
    system = "\n\n".join(filter(None, [input.get("system"), _instruction(schema)]))
    messages: list[BaseMessage] = [SystemMessage(system)] if system else []
    messages.append(HumanMessage(str(input["prompt"])))
    if feedback:
        if rejected is not None:
            messages.append(AIMessage(_as_answered(rejected, schema)))
        messages.append(HumanMessage(_complaint(feedback)))
    return messages


def _instruction(schema: Mapping[str, Any] | None) -> str:
    if schema is None:
        return ""
    return f"Answer with JSON alone, that fits this JSON Schema:\n{_json(schema)}"


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
