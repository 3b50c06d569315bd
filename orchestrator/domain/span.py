"""A finished span, as it is stored, whatever recorded it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.identity import AttemptId, RunId


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened at a moment of a span. `at` is Unix seconds."""

    name: str
    at: float
    attributes: dict[str, Any] = field(default_factory=dict, hash=False)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON with the keys `name`, `at`, `attributes`."""
        return {"name": self.name, "at": self.at, "attributes": self.attributes}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SpanEvent:
        """The reverse of `as_json`."""
        return cls(data["name"], data["at"], data.get("attributes", {}))


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One row of `spans`.

    Attributes:
        started_at: Unix seconds; `ended_at` likewise.
        trace_id: 32 hex digits; a run's trace id is its run id.
        span_id: 16 hex digits; `parent_id` likewise, None for the root.
        kind: OpenTelemetry's span kind in lower case (`internal`, `client` …).
        status: `unset`, `ok` or `error`; `status_message` says why for `error`.
        attributes: plain JSON; the tenant, run and attempt stand in their own fields, not here.
        events: in order of time.
    """

    started_at: float
    trace_id: str
    span_id: str
    parent_id: str | None
    tenant: str
    run_id: RunId | None
    attempt_id: AttemptId | None
    name: str
    kind: str
    ended_at: float
    status: str
    status_message: str = ""
    attributes: dict[str, Any] = field(default_factory=dict, hash=False)
    events: tuple[SpanEvent, ...] = ()
