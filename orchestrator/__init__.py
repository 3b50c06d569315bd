"""Hierarchical multi-agent orchestration on a graph engine: YAML workflows, specialist workers, validated results."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator as Orchestrator
    from orchestrator.client import Moment as Moment
    from orchestrator.client import Question as Question
    from orchestrator.client import RunHandle as RunHandle
    from orchestrator.client import RunResult as RunResult
    from orchestrator.client import RunTrace as RunTrace
    from orchestrator.domain.verdict import Verdict as Verdict
    from orchestrator.errors import Invalid as Invalid
    from orchestrator.errors import OrchestratorError as OrchestratorError
    from orchestrator.errors import WorkflowError as WorkflowError
    from orchestrator.store import AsyncpgSaver as AsyncpgSaver
    from orchestrator.worker import Context as Context
    from orchestrator.worker import Depends as Depends
    from orchestrator.worker import as_worker as as_worker
    from orchestrator.worker import tool as tool
    from orchestrator.worker import validator as validator
    from orchestrator.worker import worker as worker
    from orchestrator.workflow import Workflow as Workflow

__version__ = "0.1.0"

_ROOMS = {
    "AsyncpgSaver": "orchestrator.store",
    "Context": "orchestrator.worker",
    "Depends": "orchestrator.worker",
    "Invalid": "orchestrator.errors",
    "Moment": "orchestrator.client",
    "Orchestrator": "orchestrator.app",
    "OrchestratorError": "orchestrator.errors",
    "Question": "orchestrator.client",
    "RunHandle": "orchestrator.client",
    "RunResult": "orchestrator.client",
    "RunTrace": "orchestrator.client",
    "Verdict": "orchestrator.domain.verdict",
    "Workflow": "orchestrator.workflow",
    "WorkflowError": "orchestrator.errors",
    "as_worker": "orchestrator.worker",
    "tool": "orchestrator.worker",
    "validator": "orchestrator.worker",
    "worker": "orchestrator.worker",
}

__all__ = [*sorted(_ROOMS), "__version__"]  # noqa: PLE0604 - the names above, in one place


def __getattr__(name: str) -> object:
    """Import a public name's room when the name is first used: `orchestrator --help` needs none of them."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    value = getattr(import_module(_ROOMS[name]), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """`orchestrator.worker` names a room and the public decorator in it: as an attribute it is the decorator."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "worker" and isinstance(value, ModuleType):
            value = value.worker
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
