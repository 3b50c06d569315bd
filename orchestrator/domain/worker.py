"""What is known of a worker, validator or tool without importing its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

AGENT_WORKER = "orchestrator.agent"
"""The built-in worker that runs a `kind: agent` step."""

JUDGE_WORKER = "orchestrator.judge"
"""The built-in validator that asks a model: `judge` in `validate`."""

PLANNER_WORKER = "orchestrator.planner"
"""The built-in worker that writes the steps of a `kind: plan` step."""

HUMAN_WORKER = "orchestrator.human"
"""Stands for a person: its attempts wait for an answer, and nobody claims them."""

RUN_WORKER = "orchestrator.workflow"
"""Stands for a child run: its attempts wait for the end of the run that has their id."""

UNCLAIMED = frozenset({HUMAN_WORKER, RUN_WORKER})
"""Workers that are no code: their attempts wait in no pool."""

BUILT_IN = (AGENT_WORKER, JUDGE_WORKER, PLANNER_WORKER)
"""Workers that every process has."""

RESERVED = "orchestrator."
"""What the framework's own names begin with."""

AGENT_POOL = "agents"
DEFAULT_POOL = "default"
JUDGE_POOL = "judges"
PLANNER_POOL = "planners"
VALIDATOR_POOL = "validators"
NO_POOL = ""
"""A tool's: no attempt is ever of it."""


class WorkerKind(StrEnum):
    """What a registered function is."""

    WORKER = "worker"
    VALIDATOR = "validator"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """A worker as the catalogue lists it: what it is called, which pool it serves, what it takes and gives.

    A tool has no pool: it runs within the attempt of the agent that calls it.
    `input_schema` and `output_schema` are JSON Schema 2020-12, None where the function does not say.
    `memory_mb` limits the child of a `process` worker, None for no limit.
    `timeout` is the attempt timeout in seconds, None for none. `concurrency` is per process,
    `max_running` over all machines, and `rate`, such as `60/m`, is how often an attempt may begin, likewise.
    """

    name: str
    kind: WorkerKind = WorkerKind.WORKER
    pool: str = DEFAULT_POOL
    description: str = ""
    input_schema: dict[str, Any] | None = field(default=None, hash=False)
    output_schema: dict[str, Any] | None = field(default=None, hash=False)
    concurrency: int | None = None
    timeout: float | None = None
    process: bool = False
    memory_mb: int | None = None
    max_running: int | None = None
    rate: str | None = None


Catalogue = dict[str, WorkerCard]

CALLABLE = (WorkerKind.WORKER, WorkerKind.TOOL)
"""What an agent may call."""

MAX_TURNS = 8
"""Calls of its model that an agent with tools has where its step does not say."""

MAX_STEPS = 10
"""Steps that a plan has at most where its step does not say."""

LONGEST_TOOL_NAME = 64
"""Characters of a tool's name that models' servers take."""


MOST_DESCRIBED = 1_024
"""Characters of a tool's description that they take."""


def tool_definition(card: WorkerCard, description: str | None = None) -> dict[str, Any]:
    """A worker or tool as OpenAI's protocol describes it to a model.

    Args:
        card: of the worker.
        description: what the model is told of it; None takes the card's.
    """
    schema = card.input_schema or {}
    return {
        "type": "function",
        "function": {
            "name": tool_name(card.name),
            "description": (card.description if description is None else description)[:MOST_DESCRIBED],
            "parameters": schema if schema.get("type") == "object" else {"type": "object", "properties": {}},
        },
    }


def tool_name(name: str) -> str:
    """What a model calls a worker or tool: servers take no dots, and our names hold no hyphens."""
    return name.replace(".", "-")
