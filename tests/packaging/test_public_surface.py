"""What `orchestrator` exports is a promise: a change of it is a change of this file."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import orchestrator

PUBLIC = [
    "AsyncpgSaver",
    "Context",
    "Depends",
    "Invalid",
    "Moment",
    "Orchestrator",
    "OrchestratorError",
    "Question",
    "RunHandle",
    "RunResult",
    "RunTrace",
    "Verdict",
    "Workflow",
    "WorkflowError",
    "as_worker",
    "tool",
    "validator",
    "worker",
]


def test_the_exports_are_pinned() -> None:
    assert sorted(set(orchestrator.__all__) - {"__version__"}) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_export_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(orchestrator, name)
    assert not inspect.ismodule(value)
    assert inspect.getdoc(value)


@pytest.mark.parametrize(
    "code",
    [
        """
from orchestrator import worker
import orchestrator.worker.registry
from orchestrator import worker as again
assert worker is again
""",
        "import orchestrator.worker.registry; from orchestrator import worker; assert not hasattr(worker, 'registry')",
        "from orchestrator.worker import Registry; from orchestrator import worker; worker('a.b')",
    ],
)
def test_the_decorator_is_never_mistaken_for_its_room(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_that_of_the_distribution() -> None:
    from orchestrator.cli.invocation import package_version

    assert orchestrator.__version__ == package_version()
