"""What happens to every span: it inherits its scope when it begins, and is redacted and handed on when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from orchestrator.telemetry.redaction import Redactor
from orchestrator.telemetry.rows import redacted
from orchestrator.telemetry.scope import Scope, scope_of

SpanConsumer = Callable[[ReadableSpan, Scope], None]


class ScopedProcessor(SpanProcessor):
    """Gives spans their scope, and ended spans to the consumers.

    Args:
        consumers: called with every ended span, redacted, and its scope; they must not wait.
        redactor: hides secrets in all spans, besides what a scope's own redactor hides.
    """

    def __init__(self, consumers: list[SpanConsumer], redactor: Redactor) -> None:
        self._consumers = consumers
        self._redactor = redactor
        self._open: dict[tuple[int, int], Scope] = {}
        self._lock = threading.Lock()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Remember whose span it is."""
        scope = scope_of(parent_context)
        span.set_attributes(scope.attributes())
        context = span.get_span_context()
        if context is not None:
            with self._lock:
                self._open[context.trace_id, context.span_id] = scope

    def on_end(self, span: ReadableSpan) -> None:
        """Redact the span and hand it on."""
        context = span.get_span_context()
        if context is None:
            return
        with self._lock:
            scope = self._open.pop((context.trace_id, context.span_id), None) or Scope()
        clean = redacted(redacted(span, scope.redactor), self._redactor)
        for consume in self._consumers:
            consume(clean, scope)

    def shutdown(self) -> None:
        """Nothing: the consumers are closed by whoever made them."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        return True
