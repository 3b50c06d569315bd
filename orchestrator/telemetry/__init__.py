"""OpenTelemetry: spans of runs, steps, attempts and model calls, stored in Postgres and exported over OTLP.

`names` is plain text that the command line needs too, so the SDK is imported only with what needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.telemetry.attributes import run_attributes as run_attributes
    from orchestrator.telemetry.attributes import step_attributes as step_attributes
    from orchestrator.telemetry.attributes import verdict_event as verdict_event
    from orchestrator.telemetry.buffer import SpanSink as SpanSink
    from orchestrator.telemetry.metrics import Metrics as Metrics
    from orchestrator.telemetry.redaction import Redactor as Redactor
    from orchestrator.telemetry.tracing import Tracing as Tracing

_MODULES = {
    "Metrics": "metrics",
    "Redactor": "redaction",
    "SpanSink": "buffer",
    "Tracing": "tracing",
    "run_attributes": "attributes",
    "step_attributes": "attributes",
    "verdict_event": "attributes",
}

__all__ = ["Metrics", "Redactor", "SpanSink", "Tracing", "run_attributes", "step_attributes", "verdict_event"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
