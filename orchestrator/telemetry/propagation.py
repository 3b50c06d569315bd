"""W3C trace context: how a trace crosses the queue, and how user code hands it on."""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_W3C = TraceContextTextMapPropagator()


def context_of(traceparent: str) -> Context:
    """A context whose current span is the one that `traceparent` names; an empty one if it names none."""
    return _W3C.extract({"traceparent": traceparent}, context=Context())


def context_under(trace_id: int, parent_id: int | None) -> Context:
    """A context whose current span is `parent_id` of the trace; an empty one for None, so that a root begins."""
    if parent_id is None:
        return Context()
    parent = SpanContext(trace_id, parent_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(parent), Context())


def current_traceparent() -> str:
    """The `traceparent` header of the current span, empty outside of any; for calls to other services."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get("traceparent", "")
