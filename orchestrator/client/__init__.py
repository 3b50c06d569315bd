"""How runs are begun, watched and ended from outside: no supervisor and no workers in here."""

from orchestrator.client.handle import RunHandle, RunResult, RunTrace
from orchestrator.client.history import Moment
from orchestrator.client.runs import ALL_TENANTS, AllTenants, Client
from orchestrator.client.versions import PinnedRuns
from orchestrator.store.questions import Question

__all__ = [
    "ALL_TENANTS",
    "AllTenants",
    "Client",
    "Moment",
    "PinnedRuns",
    "Question",
    "RunHandle",
    "RunResult",
    "RunTrace",
]
