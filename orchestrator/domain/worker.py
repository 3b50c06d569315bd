"""What is known of a worker or validator without importing its code."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

AGENT_WORKER = "orchestrator.agent"
"""The built-in worker that runs a `kind: agent` step."""

JUDGE_WORKER = "orchestrator.judge"
"""The built-in validator that asks a model: `judge` in `validate`."""

HUMAN_WORKER = "orchestrator.human"
"""Stands for a person: its attempts wait for an answer, and nobody claims them."""

RUN_WORKER = "orchestrator.workflow"
"""Stands for a child run: its attempts wait for the end of the run that has their id."""

UNCLAIMED = frozenset({HUMAN_WORKER, RUN_WORKER})
"""Workers that are no code: their attempts wait in no pool."""

AGENT_POOL = "agents"
DEFAULT_POOL = "default"
JUDGE_POOL = "judges"
VALIDATOR_POOL = "validators"


class WorkerKind(StrEnum):
    """What a registered function is."""

    WORKER = "worker"
    VALIDATOR = "validator"


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """A worker as the catalogue lists it: what it is called, which pool it serves, what it takes and gives.

    `input_schema` and `output_schema` are JSON Schema 2020-12, None where the function does not say.
    `timeout` is the attempt timeout in seconds, None for none. `concurrency` is per process.
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


Catalogue = dict[str, WorkerCard]
