"""What an attempt came to: its outcome, its error and what it used."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.domain.payload import PayloadRef

INFRASTRUCTURE_ERRORS = ("rate_limit", "timeout", "connection", "server_error", "worker_lost", "retryable")
"""The error classes that `retry.errors` may list; `retryable` is what a worker's `retry_on` declares."""


class OutcomeKind(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is stored, shown, and seen by CEL as `error`.

    Attributes:
        code: what `on_error.if` tests, e.g. `duplicate`; the exception's own code, else its class in snake case.
        error_class: one of INFRASTRUCTURE_ERRORS, or `error`, `invalid_output`, `in_doubt`, `secret_missing`, …
        message: for people, secrets redacted.
        detail: a traceback or provider body, for the inspector; may be empty.
    """

    code: str
    error_class: str
    message: str
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """Plain JSON with the keys `code`, `class`, `message`, `detail`."""
        return {"code": self.code, "class": self.error_class, "message": self.message, "detail": self.detail}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ErrorInfo:
        """The reverse of `as_json`."""
        return cls(data["code"], data["class"], data["message"], data.get("detail", ""))


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt's model calls used. `cost_usd` is None where no price is known for the model."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    model_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            sum(costs) if costs else None,
            self.model_calls + other.model_calls,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker stores when an attempt ends, and what the supervisor folds in.

    `output` is set for SUCCEEDED, `error` for every other kind.
    """

    kind: OutcomeKind
    output: PayloadRef | None = None
    error: ErrorInfo | None = None
    usage: Usage = field(default_factory=Usage)
