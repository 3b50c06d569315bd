"""A finished SDK span as a `SpanRow`, and as the same span with its secrets hidden."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
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


def ended_row(
    name: str,
    *,
    ids: tuple[int, int, int | None],
    times: tuple[float, float],
    attributes: Mapping[str, Any],
    events: Sequence[SpanEvent],
    error: str,
    scope: Scope,
) -> SpanRow:
    """The row that `to_row` gives for a span that is recorded after it was over; see `Tracing.record_span`.

    Args:
        name: of the span.
        ids: of its trace, of itself and of its parent.
        times: its start and its end, Unix seconds.
        attributes: by `names`.
        events: by `names`.
        error: why it failed; empty when it did not.
        scope: the tenant and run that it belongs to.
    """
    trace_id, span_id, parent_id = ids
    started, ended = (nanoseconds(each) / NANOSECONDS for each in times)
    return SpanRow(
        started_at=started,
        trace_id=f"{trace_id:032x}",
        span_id=f"{span_id:016x}",
        parent_id=None if parent_id is None else f"{parent_id:016x}",
        tenant=scope.tenant,
        run_id=scope.run_id,
        attempt_id=scope.attempt_id,
        name=name,
        kind="internal",
        ended_at=ended,
        status="error" if error else "ok",
        status_message=error,
        attributes={key: plain(value) for key, value in attributes.items() if value is not None},
        events=tuple(
            SpanEvent(each.name, nanoseconds(each.at) / NANOSECONDS, plain(each.attributes)) for each in events
        ),
    )


def redacted_row(row: SpanRow, redactor: Redactor) -> SpanRow:
    """The row with every text in it redacted; the row itself when there is nothing to hide."""
    if not redactor:
        return row
    return replace(
        row,
        name=redactor.text(row.name),
        status_message=redactor.text(row.status_message),
        attributes=redactor.value(row.attributes),
        events=tuple(
            SpanEvent(redactor.text(each.name), each.at, redactor.value(each.attributes)) for each in row.events
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
