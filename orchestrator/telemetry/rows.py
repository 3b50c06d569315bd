"""A finished SDK span as a `SpanRow`, and as the same span with its secrets hidden."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status

from orchestrator.domain.span import SpanEvent, SpanRow
from orchestrator.telemetry import names
from orchestrator.telemetry.redaction import Redactor
from orchestrator.telemetry.scope import Scope

NANOSECONDS = 1_000_000_000


def nanoseconds(seconds: float) -> int:
    """Unix seconds as OpenTelemetry counts them."""
    return round(seconds * 1_000_000) * 1_000


def to_row(span: ReadableSpan, scope: Scope) -> SpanRow:
    """The row of an ended span.

    Args:
        span: ended, already redacted.
        scope: the tenant, run and attempt that it belongs to.
    """
    context = span.get_span_context()
    started = span.start_time or 0
    return SpanRow(
        started_at=started / NANOSECONDS,
        trace_id=f"{context.trace_id:032x}" if context else "",
        span_id=f"{context.span_id:016x}" if context else "",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        tenant=scope.tenant,
        run_id=scope.run_id,
        attempt_id=scope.attempt_id,
        name=span.name,
        kind=span.kind.name.lower(),
        ended_at=(span.end_time or started) / NANOSECONDS,
        status=span.status.status_code.name.lower(),
        status_message=span.status.description or "",
        attributes={
            key: value for key, value in plain(span.attributes or {}).items() if key not in names.SCOPE_ATTRIBUTES
        },
        events=tuple(
            SpanEvent(event.name, event.timestamp / NANOSECONDS, plain(event.attributes or {})) for event in span.events
        ),
    )


def redacted(span: ReadableSpan, redactor: Redactor) -> ReadableSpan:
    """The span with every text in it redacted; the span itself when there is nothing to hide."""
    if not redactor:
        return span
    events = [
        Event(redactor.text(event.name), redactor.value(event.attributes or {}), event.timestamp)
        for event in span.events
    ]
    description = span.status.description
    status = Status(span.status.status_code, redactor.text(description) if description else description)
    return ReadableSpan(
        name=redactor.text(span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=redactor.value(span.attributes or {}),
        events=events,
        links=span.links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def plain(value: Any) -> Any:
    """An attribute value as plain JSON: infinities, NaN and bytes become text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    return str(value)
