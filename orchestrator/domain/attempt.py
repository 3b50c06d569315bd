"""An attempt: as the supervisor orders it, and as a worker claims it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.payload import PayloadRef


class Purpose(StrEnum):
    """What an attempt is for: to do a step's work, or to judge another attempt's output."""

    WORK = "work"
    VALIDATE = "validate"


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """One row that the supervisor inserts into `attempts`.

    Attributes:
        number: counts all tries of this step and item, from 1.
        validator: the validator's name within the step when `purpose` is VALIDATE, else empty.
        judges: the attempt whose output is judged, when `purpose` is VALIDATE.
        input: for WORK the worker's input; for VALIDATE `{"output": …, "input": …}`.
        options: what the runtime needs besides the input: `secrets` (names), `model` (tier), `revision` …
        delay: seconds before it may be claimed (backoff).
        timeout: seconds from claim, None for none; `idle` likewise since the last heartbeat.
        idempotency_key: stable across the attempts of one step and item.
    """

    id: AttemptId
    run_id: RunId
    tenant: str
    step: str
    item: int
    number: int
    purpose: Purpose
    worker: str
    pool: str
    input: PayloadRef
    validator: str = ""
    judges: AttemptId | None = None
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    priority: int = 0
    delay: float = 0.0
    timeout: float | None = None
    idle: float | None = None
    traceparent: str = ""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class ClaimedAttempt:
    """An attempt that this process holds: `token` fences its outcome, `lease_until` (Unix seconds) ends its hold.

    `due_at` is when it might have been claimed, which is later than `queued_at` after a backoff.
    """

    order: AttemptOrder
    token: int
    lease_until: float
    input_value: Any
    workflow: str
    queued_at: float
    claimed_at: float
    last_heartbeat: Any = None
    due_at: float = 0.0
