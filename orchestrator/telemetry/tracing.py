"""`Tracing`: makes the spans of a process, stores them through a sink and exports them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.chat import ChatCall
from orchestrator.domain.identity import RunId
from orchestrator.domain.identity import span_id as span_id_of
from orchestrator.domain.identity import trace_id as trace_id_of
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.span import SpanEvent
from orchestrator.settings import TelemetrySettings
from orchestrator.telemetry import names
from orchestrator.telemetry.attempt_span import AttemptSpan
from orchestrator.telemetry.attributes import attempt_attributes, attempt_name
from orchestrator.telemetry.buffer import SpanBuffer, SpanSink
from orchestrator.telemetry.chat_span import chat_attributes, redacted_call, shortened
from orchestrator.telemetry.ids import ChosenIds, choose
from orchestrator.telemetry.processor import ScopedProcessor, SpanConsumer
from orchestrator.telemetry.propagation import context_of, context_under
from orchestrator.telemetry.redaction import Redactor
from orchestrator.telemetry.rows import ended_row, nanoseconds, redacted_row, to_row
from orchestrator.telemetry.scope import DEFAULT_TENANT, Scope, scope_of, with_scope
from orchestrator.telemetry.tool_span import ToolSpan, tool_attributes

if TYPE_CHECKING:
    from orchestrator.telemetry.export import OtlpExport

CLOSE_TIMEOUT = 3.0
"""Seconds that a sink or a collector that does not answer may hold up the end of a process, each."""


class Tracing:
    """The spans of this process. No global provider is set: other people's OpenTelemetry is left alone.

    Args:
        settings: what is recorded and where it is exported.
        sink: where spans are stored; None stores nothing.
        redactor: hides secrets in every span of the process.
    """

    def __init__(
        self, settings: TelemetrySettings, sink: SpanSink | None = None, *, redactor: Redactor | None = None
    ) -> None:
        self._settings = settings
        self._redactor = redactor or Redactor()
        self._buffer = SpanBuffer(sink) if sink is not None and settings.spans else None
        self._export = _export_to(settings.otlp_endpoint) if settings.otlp_endpoint else None
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": settings.service_name}),
            id_generator=ChosenIds(),
            span_limits=SpanLimits(max_span_attributes=256, max_events=1_024, max_event_attributes=128),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(ScopedProcessor(self._consumers(), self._redactor))
        self.tracer: Tracer = self._provider.get_tracer("orchestrator")

    @property
    def dropped(self) -> int:
        """Spans that could not be kept for the sink."""
        return self._buffer.dropped if self._buffer else 0

    async def start(self) -> None:
        """Begin to store spans, on the running event loop."""
        if self._buffer:
            self._buffer.start()

    async def flush(self) -> None:
        """Store what has ended so far, as far as the sink takes it."""
        if self._buffer:
            await self._buffer.flush()

    async def aclose(self) -> None:
        """Store and send what waits, each for a few seconds at the most, and stop."""
        try:
            if self._buffer:
                await self._buffer.aclose(CLOSE_TIMEOUT)
        finally:
            if self._export:
                await self._export.aclose(CLOSE_TIMEOUT)

    def record_span(
        self,
        name: str,
        *,
        trace_id: int,
        span_id: int,
        parent_id: int | None,
        start: float,
        end: float,
        attributes: Mapping[str, Any] | None = None,
        events: Sequence[SpanEvent] = (),
        error: str = "",
        tenant: str = DEFAULT_TENANT,
    ) -> None:
        """Record a span that is over, under ids that a repetition gives again.

        Args:
            name: operation first: `step search`.
            trace_id: the run's; `domain.identity.trace_id`.
            span_id: of its place in the run; `domain.identity.span_id`.
            parent_id: likewise, None for the run's own span.
            start: Unix seconds.
            end: Unix seconds.
            attributes: by `names`.
            events: by `names`, such as `verdict_event`.
            error: why it failed; empty when it did not.
            tenant: whose run it is.
        """
        scope = Scope(tenant, RunId(uuid.UUID(int=trace_id)))
        if self._export is None:  # a row is all that comes of it, and making a span only for that is most of the work
            if self._buffer is not None:
                row = ended_row(
                    name,
                    ids=(trace_id, span_id, parent_id),
                    times=(start, end),
                    attributes=attributes or {},
                    events=events,
                    error=error,
                    scope=scope,
                )
                self._buffer.add(redacted_row(row, self._redactor))
            return
        with choose(trace_id, span_id):
            span = self.tracer.start_span(
                name,
                with_scope(scope, context_under(trace_id, parent_id)),
                attributes=dict(attributes or {}),
                start_time=nanoseconds(start),
            )
        for event in events:
            span.add_event(event.name, event.attributes, nanoseconds(event.at))
        span.set_status(StatusCode.ERROR if error else StatusCode.OK, error or None)
        span.end(nanoseconds(end))

    @contextmanager
    def attempt_span(self, claimed: ClaimedAttempt, *, redactor: Redactor | None = None) -> Iterator[AttemptSpan]:
        """The span of an attempt, current within the `with` block; its parent is the order's `traceparent`.

        Args:
            claimed: the attempt.
            redactor: hides the attempt's own secrets in its span and in all spans inside.
        """
        order = claimed.order
        path = [order.step, order.item, order.number, *([order.validator] if order.validator else [])]
        scope = Scope(order.tenant, order.run_id, order.id, redactor or Redactor())
        parent = context_of(order.traceparent) if order.traceparent else context_under(0, None)
        with choose(trace_id_of(order.run_id), span_id_of(order.run_id, *path)):
            span = self.tracer.start_span(
                attempt_name(claimed),
                with_scope(scope, parent),
                SpanKind.CONSUMER,
                attributes=attempt_attributes(claimed),
            )
        token = attach(trace.set_span_in_context(span, with_scope(scope)))
        attempt = AttemptSpan(span)
        try:
            yield attempt
        except BaseException as error:
            attempt.broke(error)
            raise
        finally:
            detach(token)
            span.end()

    def record_chat(self, call: ChatCall) -> None:
        """Record a model call as a child of the current span.

        Args:
            call: has ended.
        """
        own, scoped = self._redactor, scope_of(None).redactor
        messages, answer = redacted_call(call, lambda text: own.text(scoped.text(text)))
        limit = self._settings.max_content_bytes if self._settings.capture_content else 0
        span = self.tracer.start_span(
            f"{names.CHAT} {call.model}",
            kind=SpanKind.CLIENT,
            attributes=chat_attributes(replace(call, messages=messages, answer=answer), limit),
            start_time=nanoseconds(call.started_at),
        )
        if call.error is not None:
            span.set_status(StatusCode.ERROR, call.error.message)
        span.end(nanoseconds(call.ended_at))

    @property
    def captures(self) -> bool:
        """Whether the contents of messages are recorded."""
        return self._settings.capture_content

    @contextmanager
    def tool_span(self, name: str, *, call_id: str, description: str, arguments: str) -> Iterator[ToolSpan]:
        """The span of a tool call, current within the `with` block, so that what the tool does hangs below it.

        Args:
            name: the tool's, as workflows call it.
            call_id: the model's id of the call.
            description: what the model was told of the tool.
            arguments: JSON, already redacted.
        """
        limit = self._settings.max_content_bytes if self.captures else 0
        told = shortened(arguments, limit) if limit else ""
        attributes = tool_attributes(name, call_id=call_id, description=description, arguments=told)
        with self.tracer.start_as_current_span(
            f"{names.EXECUTE_TOOL} {name}", attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            tool = ToolSpan(span, limit)
            try:
                yield tool
            except BaseException as error:
                tool.failed(ErrorInfo(type(error).__name__, "error", str(error) or type(error).__name__))
                raise

    def _consumers(self) -> list[SpanConsumer]:
        found: list[SpanConsumer] = []
        buffer, export = self._buffer, self._export
        if buffer is not None:
            found.append(lambda span, scope: buffer.add(to_row(span, scope)))
        if export is not None:
            found.append(lambda span, _: export.add(span))
        return found


def _export_to(endpoint: str) -> OtlpExport:
    from orchestrator.telemetry.export import OtlpExport  # protobuf and requests take a fifth of a second

    return OtlpExport(endpoint)
