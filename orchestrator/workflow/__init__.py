"""The workflow language: YAML graph in, pinned `Workflow` out, every mistake located.

Reading and checking bring CEL and JSON Schema with them, which a worker process never needs, so each name is
imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.workflow.durations import parse_duration as parse_duration
    from orchestrator.workflow.expressions import Expressions as Expressions
    from orchestrator.workflow.graph import cycle as cycle
    from orchestrator.workflow.graph import waves as waves
    from orchestrator.workflow.load import load_workflow as load_workflow
    from orchestrator.workflow.load import parse_workflow as parse_workflow
    from orchestrator.workflow.model import ForeachSpec as ForeachSpec
    from orchestrator.workflow.model import JudgeSpec as JudgeSpec
    from orchestrator.workflow.model import ModelTier as ModelTier
    from orchestrator.workflow.model import StepSpec as StepSpec
    from orchestrator.workflow.model import ValidatorSpec as ValidatorSpec
    from orchestrator.workflow.model import Workflow as Workflow

_MODULES = {
    "Expressions": "expressions",
    "ForeachSpec": "model",
    "JudgeSpec": "model",
    "ModelTier": "model",
    "StepSpec": "model",
    "ValidatorSpec": "model",
    "Workflow": "model",
    "cycle": "graph",
    "load_workflow": "load",
    "parse_duration": "durations",
    "parse_workflow": "load",
    "waves": "graph",
}

__all__ = [
    "Expressions",
    "ForeachSpec",
    "JudgeSpec",
    "ModelTier",
    "StepSpec",
    "ValidatorSpec",
    "Workflow",
    "cycle",
    "load_workflow",
    "parse_duration",
    "parse_workflow",
    "waves",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
