"""Events: the run's append-only timeline, for people, the live view and audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.identity import NO_ITEM, AttemptId, RunId

RUN_SUBMITTED = "run.submitted"
RUN_STARTED = "run.started"
RUN_FINISHED = "run.finished"
RUN_CANCEL_REQUESTED = "run.cancel_requested"
RUN_PAUSED = "run.paused"
RUN_RESUMED = "run.resumed"
RUN_CHILD_STARTED = "run.child_started"
PLAN_MADE = "plan.made"
STEP_STARTED = "step.started"
STEP_FINISHED = "step.finished"
STEP_SKIPPED = "step.skipped"
STEP_REUSED = "step.reused"
STEP_ITERATION = "step.iteration"
ATTEMPT_QUEUED = "attempt.queued"
ATTEMPT_STARTED = "attempt.started"
ATTEMPT_FINISHED = "attempt.finished"
ATTEMPT_PROGRESS = "attempt.progress"
ATTEMPT_LOG = "attempt.log"
ATTEMPT_TEXT = "attempt.text"
ATTEMPT_TOOL = "attempt.tool"
HUMAN_ASKED = "human.asked"
HUMAN_ANSWERED = "human.answered"
HUMAN_EXPIRED = "human.expired"
VERDICT = "verdict"
REMEDY = "remedy"
EFFECT = "effect"


@dataclass(frozen=True, slots=True)
class Event:
    """One row of `events`. `data` is plain JSON; `key` makes a supervisor's repeated insert harmless.

    An empty `key` is always inserted; otherwise (run_id, key) is unique.
    """

    run_id: RunId
    tenant: str
    kind: str
    step: str = ""
    item: int = NO_ITEM
    attempt_id: AttemptId | None = None
    data: dict[str, Any] = field(default_factory=dict, hash=False)
    key: str = ""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is read back: with its id and its time (Unix seconds)."""

    id: int
    at: float
    event: Event
