"""Rows of runs that never happened, for what only shows rows."""

from __future__ import annotations

import uuid

from orchestrator.client import Question, RunResult, RunTrace
from orchestrator.domain.event import Event, StoredEvent
from orchestrator.domain.identity import NO_ITEM, AttemptId, RunId, attempt_id, span_id
from orchestrator.domain.outcome import ErrorInfo, Usage
from orchestrator.domain.span import SpanRow
from orchestrator.store.attempts import AttemptRow
from orchestrator.store.runs import RunRow
from orchestrator.store.steps import StepRow
from orchestrator.store.verdicts import VerdictRow

RUN = RunId(uuid.UUID("0198c0de-1a2b-7000-8000-000000000001"))
START = 1_000.0


def run_row(**changes: object) -> RunRow:
    fields: dict[str, object] = {
        "id": RUN,
        "tenant": "default",
        "workflow_sha256": "00",
        "workflow": "brief",
        "version": "1.0.0",
        "status": "succeeded",
        "inputs": "00",
        "output": None,
        "error": None,
        "priority": 0,
        "idempotency_key": None,
        "parent_run": None,
        "parent_step": None,
        "budget": None,
        "forked_from": None,
        "fork": None,
        "owner": None,
        "epoch": 1,
        "parked": False,
        "wake_at": None,
        "traceparent": None,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": None,
        "created_at": START - 1,
        "started_at": START,
        "finished_at": START + 10,
    }
    return RunRow(**(fields | changes))


def step_row(step: str, position: int = 0, **changes: object) -> StepRow:
    fields: dict[str, object] = {
        "run_id": RUN,
        "step": step,
        "tenant": "default",
        "position": position,
        "kind": "worker",
        "status": "succeeded",
        "worker": f"{step}.worker",
        "started_at": START,
        "finished_at": START + 4,
    }
    return StepRow(**(fields | changes))


def attempt_row(step: str, number: int = 1, item: int = NO_ITEM, validator: str = "", **changes: object) -> AttemptRow:
    fields: dict[str, object] = {
        "id": attempt_id(RUN, step, item, number, validator),
        "run_id": RUN,
        "tenant": "default",
        "step": step,
        "item": item,
        "number": number,
        "purpose": "validate" if validator else "work",
        "validator": validator,
        "judges": attempt_id(RUN, step, item, number) if validator else None,
        "worker": validator or f"{step}.worker",
        "pool": "default",
        "priority": 0,
        "input": "00",
        "options": {},
        "idempotency_key": "",
        "traceparent": "",
        "timeout": None,
        "idle": None,
        "status": "succeeded",
        "cancel_requested": False,
        "superseded": False,
        "token": 1,
        "process": None,
        "lease_until": None,
        "output": None,
        "error": None,
        "progress": None,
        "heartbeat": None,
        "heartbeat_at": None,
        "input_tokens": 0,
        "output_tokens": 0,
        "cost_usd": None,
        "model_calls": 0,
        "queued_at": START,
        "not_before": START,
        "claimed_at": START + 1,
        "finished_at": START + 3,
    }
    return AttemptRow(**(fields | changes))


def verdict_row(
    attempt: AttemptId, validator: str, message: str = "", *, passed: bool, evidence: object = None
) -> VerdictRow:
    return VerdictRow(attempt, validator, RUN, "default", passed, None, message, evidence, START + 3)


def span_row(attempt: AttemptRow, name: str, *, parent: str | None, number: int, **changes: object) -> SpanRow:
    fields: dict[str, object] = {
        "started_at": START + 1,
        "trace_id": f"{RUN.int:032x}",
        "span_id": f"{number:016x}",
        "parent_id": parent,
        "tenant": "default",
        "run_id": RUN,
        "attempt_id": attempt.id,
        "name": name,
        "kind": "client",
        "ended_at": START + 2,
        "status": "ok",
    }
    return SpanRow(**(fields | changes))


def attempt_span_id(attempt: AttemptRow) -> str:
    return f"{span_id(RUN, attempt.step, attempt.item, attempt.number):016x}"


def trace_of(
    *,
    steps: list[StepRow],
    attempts: list[AttemptRow] | None = None,
    verdicts: list[VerdictRow] | None = None,
    spans: list[SpanRow] | None = None,
    children: list[RunRow] | None = None,
    notes: list[StoredEvent] | None = None,
    **run: object,
) -> RunTrace:
    return RunTrace(run_row(**run), steps, attempts or [], verdicts or [], spans or [], children or [], notes or [])


def note(kind: str, step: str = "", item: int = NO_ITEM, at: float = START, attempt: object = None, **data: object):
    return StoredEvent(1, at, Event(RUN, "default", kind, step, item, attempt, data))


FORM = {
    "type": "object",
    "required": ["decision"],
    "properties": {"decision": {"enum": ["approve", "reject"]}, "note": {"type": "string"}},
}


def question_of(**changes: object) -> Question:
    fields: dict[str, object] = {
        "run_id": RUN,
        "tenant": "default",
        "workflow": "brief",
        "step": "approve",
        "item": NO_ITEM,
        "attempt_id": attempt_id(RUN, "approve", NO_ITEM, 1),
        "number": 1,
        "assignee": "anna",
        "form": FORM,
        "shown": {"text": "hi"},
    }
    return Question(**(fields | changes))


def result_of(status: str = "succeeded", output: object = None, error: ErrorInfo | None = None) -> RunResult:
    return RunResult(status, output, error, Usage(120, 30, 0.0042, 2), RUN, 10.0)
