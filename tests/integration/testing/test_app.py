"""`orchestrator.testing.app`: a whole orchestrator on a database of its own, quick enough for every test."""

from __future__ import annotations

import time
from pathlib import Path

import asyncpg
import pytest

from orchestrator import Context, Orchestrator, Workflow, WorkflowError, worker
from orchestrator.testing import ScriptedModel, app

pytest_plugins = ["orchestrator.testing.fixtures"]

GREET = """
api: orchestrator/v1
name: greet
version: 1.0.0
inputs: {name: {type: string}}
outputs: {text: "${{ steps.greet.output }}"}
secrets: [TONE]
steps:
  greet: {kind: worker, worker: hello.greet, with: {name: "${{ inputs.name }}"}, secrets: [TONE]}
"""
ASK = """
api: orchestrator/v1
name: ask
version: 1.0.0
outputs: {text: "${{ steps.ask.output.text }}"}
steps:
  ask: {kind: agent, model: small, prompt: "Say something."}
"""


@worker("hello.greet")
async def greet(name: str, ctx: Context) -> str:
    return f"{ctx.secret('TONE')} {name}"


async def test_a_workflow_runs_on_a_database_that_is_gone_afterwards() -> None:
    async with app(workers=[greet], environ={"TONE": "dear"}) as opened:
        result = await opened.run(Workflow.from_yaml(GREET), {"name": "Ada"})
        url = opened.database_url
    assert (result.status, result.output) == ("succeeded", {"text": "[redacted] Ada"})
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(url)


async def test_a_scripted_model_answers_for_the_tiers(open_app) -> None:
    with ScriptedModel(["hello"]) as model:
        async with open_app(model=model) as opened:
            result = await opened.run(Workflow.from_yaml(ASK))
    assert result.output == {"text": "hello"}


async def test_each_has_a_database_of_its_own_and_is_quick(open_app) -> None:
    begun, urls = time.monotonic(), set()
    for _ in range(3):
        async with open_app(workers=[greet], environ={"TONE": "dear"}) as opened:
            assert await opened.list_runs() == []
            await opened.run(Workflow.from_yaml(GREET), {"name": "Ada"})
            urls.add(opened.database_url)
    assert len(urls) == 3
    assert time.monotonic() - begun < 15


async def test_a_project_can_be_opened_with_its_own_workers_and_graphs(open_app, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.orchestrator]\nworkers = ["testing_app_workers"]\n')
    (tmp_path / "testing_app_workers.py").write_text(
        "from orchestrator import worker\n\n\n@worker('own.one')\ndef one() -> int:\n    return 1\n"
    )
    (tmp_path / "graphs").mkdir()
    text = (
        GREET.split("inputs:", maxsplit=1)[0]
        + 'outputs: {n: "${{ steps.one.output }}"}\nsteps: {one: {kind: worker, worker: own.one}}\n'
    )
    (tmp_path / "graphs/one.yaml").write_text(text.replace("greet", "one"))
    async with open_app(project=tmp_path) as opened:
        assert (await opened.run("one")).output == {"n": 1}
    assert not (tmp_path / ".orchestrator/postgres").exists()


async def test_what_a_worker_takes_is_published_for_processes_that_do_not_have_its_code(open_app) -> None:
    wrong = GREET.replace('name: "${{ inputs.name }}"', "nam: 3")
    async with open_app(workers=[greet]) as opened, Orchestrator.connect(database=opened.database_url) as other:
        assert "hello.greet" not in other.registry
        with pytest.raises(WorkflowError, match="'nam'"):
            await other.submit(Workflow.from_yaml(wrong), {"name": "Ada"})
