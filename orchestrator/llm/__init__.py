"""Chat models: tiers, clients that are traced and priced, structured turns, and the local model.

The clients take two seconds to import, so each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.llm.catalogue import ResolvedModel as ResolvedModel
    from orchestrator.llm.catalogue import resolve_tiers as resolve_tiers
    from orchestrator.llm.errors import classify as classify
    from orchestrator.llm.local import local_model_status as local_model_status
    from orchestrator.llm.models import Models as Models
    from orchestrator.llm.probe import probe_model as probe_model
    from orchestrator.llm.structured import TurnResult as TurnResult
    from orchestrator.llm.structured import structured_turn as structured_turn
    from orchestrator.llm.weights import pull_model as pull_model

_MODULES = {
    "Models": "models",
    "ResolvedModel": "catalogue",
    "TurnResult": "structured",
    "classify": "errors",
    "local_model_status": "local",
    "probe_model": "probe",
    "pull_model": "weights",
    "resolve_tiers": "catalogue",
    "structured_turn": "structured",
}

__all__ = [
    "Models",
    "ResolvedModel",
    "TurnResult",
    "classify",
    "local_model_status",
    "probe_model",
    "pull_model",
    "resolve_tiers",
    "structured_turn",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
