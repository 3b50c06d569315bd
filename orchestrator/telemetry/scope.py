"""Whose span it is: carried in the OpenTelemetry context, so that spans of user code inherit it."""

from __future__ import annotations

from dataclasses import dataclass, field

from opentelemetry.context import Context, create_key, get_value, set_value

from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.telemetry import names
from orchestrator.telemetry.redaction import Redactor

DEFAULT_TENANT = "default"
_KEY = create_key("orchestrator-scope")


@dataclass(frozen=True, slots=True)
class Scope:
    """What every span within an attempt (or of a run) shares."""

    tenant: str = DEFAULT_TENANT
    run_id: RunId | None = None
    attempt_id: AttemptId | None = None
    redactor: Redactor = field(default_factory=Redactor)

    def attributes(self) -> dict[str, str]:
        """The scope for exporters, which have no columns."""
        found = {names.TENANT: self.tenant}
        if self.run_id is not None:
            found[names.RUN_ID] = str(self.run_id)
        if self.attempt_id is not None:
            found[names.ATTEMPT_ID] = str(self.attempt_id)
        return found


def with_scope(scope: Scope, context: Context | None = None) -> Context:
    """The context with the scope in it."""
    return set_value(_KEY, scope, context)


def scope_of(context: Context | None) -> Scope:
    """The scope of a context (None is the current one); an empty one outside of any attempt."""
    found = get_value(_KEY, context)
    return found if isinstance(found, Scope) else Scope()
