"""The span of an attempt while it is open."""

from __future__ import annotations

import time

from opentelemetry.trace import Span, StatusCode

from orchestrator.domain.outcome import ErrorInfo, OutcomeKind, Usage
from orchestrator.domain.verdict import Verdict
from orchestrator.telemetry import names
from orchestrator.telemetry.attributes import usage_attributes, verdict_event
from orchestrator.telemetry.rows import nanoseconds


class AttemptSpan:
    """What the worker runtime tells of an attempt.

    Args:
        span: the open span.
    """

    def __init__(self, span: Span) -> None:
        self.span = span
        self._finished = False

    def finish(self, kind: OutcomeKind, error: ErrorInfo | None, usage: Usage) -> None:
        """Note how the attempt ended; the span itself ends with its `with` block.

        Args:
            kind: of the outcome.
            error: set for every kind but SUCCEEDED.
            usage: of all its model calls.
        """
        self._finished = True
        self.span.set_attribute(names.ATTEMPT_OUTCOME, kind.value)
        if usage.model_calls:
            self.span.set_attributes(usage_attributes(usage))
        if error is None:
            self.span.set_status(StatusCode.OK)
        else:
            self.span.set_attribute(names.ERROR_TYPE, error.error_class)
            self.span.set_status(StatusCode.ERROR, error.message)

    def add_verdict(self, verdict: Verdict) -> None:
        """Note what this attempt, a validator's, said."""
        event = verdict_event(verdict, time.time())
        self.span.add_event(event.name, event.attributes, nanoseconds(event.at))

    def broke(self, error: BaseException) -> None:
        """Note an exception that left the `with` block, unless the outcome is known already."""
        if self._finished:
            return
        self.span.set_attribute(names.ERROR_TYPE, type(error).__name__)
        self.span.set_status(StatusCode.ERROR, str(error) or type(error).__name__)
