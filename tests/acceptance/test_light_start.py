"""A worker process starts light: what the supervisor, models and checks need is not imported by serving a pool."""

from __future__ import annotations

import asyncio

from orchestrator import Orchestrator, Workflow
from orchestrator.store.workers import read_cards
from tests.acceptance.project import Project

HEAVY = {
    "cel_expr_python",
    "genai_prices",
    "google.protobuf",
    "jsonschema",
    "langchain_core",
    "langchain_openai",
    "langgraph",
    "openai",
    "opentelemetry.exporter",
    "orchestrator.supervisor",
    "orchestrator.validation",
    "rich",
}

LOADED = '''
"""Says what its process has imported."""

import sys

from orchestrator import worker


class Odd(Exception):
    """Not from any model client."""


@worker("modules.loaded", pool="slow")
def loaded() -> list[str]:
    return sorted(sys.modules)


@worker("modules.fail", pool="slow")
def fail() -> None:
    raise Odd("as planned")
'''

WORKFLOW = """
api: orchestrator/v1
name: modules
version: 1.0.0
outputs: {loaded: "${{ steps.look.output }}"}
steps:
  fail: {kind: worker, worker: modules.fail, on_error: [{do: continue, output: null}]}
  look: {kind: worker, worker: modules.loaded, needs: [fail]}
"""


async def test_a_worker_process_that_has_run_attempts_has_imported_none_of_the_heavy_rooms(database_url, tmp_path):
    project = Project(tmp_path, database_url)
    (tmp_path / "workers/modules.py").write_text(LOADED)
    with project.process("supervisor"), project.process("worker", "--pool", "slow"):
        async with Orchestrator.connect(database=database_url) as client:
            async with asyncio.timeout(60):
                while "modules.fail" not in await read_cards(client.database):  # noqa: ASYNC110 - another process writes
                    await asyncio.sleep(0.05)
            run = await client.submit(Workflow.from_yaml(WORKFLOW))
            result = await run.result(timeout=60)
    assert result.status == "succeeded", result
    found = {name for name in result.output["loaded"] for heavy in HEAVY if f"{name}.".startswith(f"{heavy}.")}
    assert not found
    assert "orchestrator.worker.runtime" in result.output["loaded"]
