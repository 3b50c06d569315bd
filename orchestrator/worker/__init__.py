"""The worker contract, the registry, and the claim → run → settle loop."""

from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import WorkerCard
from orchestrator.errors import Invalid
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker, validator, worker
from orchestrator.worker.dependencies import Depends
from orchestrator.worker.registry import Registry
from orchestrator.worker.runnable import as_worker
from orchestrator.worker.tool_declaration import tool

__all__ = [
    "Context",
    "Depends",
    "Invalid",
    "Registry",
    "Verdict",
    "Worker",
    "WorkerCard",
    "as_worker",
    "tool",
    "validator",
    "worker",
]
