"""What a plan learns from past runs, and from which databases it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.cli.plan_facts import gather_facts
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.store import Database, EmbeddedPostgres
from orchestrator.store.history import step_history
from orchestrator.testing import ThrowawayServer
from orchestrator.worker import Registry
from orchestrator.workflow.figures import Facts
from orchestrator.workflow.forecast import forecast
from tests.integration.supervisor.scene import flow, opened

STEPS = """
  each:
    kind: worker
    worker: t.wait
    foreach: {items: "${{ inputs.words }}", as: word}
    with: {seconds: 0.05, text: "${{ word }}"}
  never: {kind: worker, worker: t.say, with: {text: x}, when: size(inputs.words) > 9}
"""
HEAD = "inputs: {words: {type: array, items: {type: string}}}"


@pytest.fixture
async def ran(database_url: str, tmp_path: Path) -> str:
    async with opened(database_url, tmp_path) as scene:
        for words in (["a"], ["a", "b", "c"], ["a", "b", "c"]):
            result, _ = await scene.run(STEPS, {"words": words}, head=HEAD)
            assert result.status == "succeeded"
    return database_url


async def test_a_step_is_the_median_of_its_runs(ran: str, database: Database) -> None:
    (each,) = await step_history(database, "scene", tenant="default")
    assert (each.step, each.worker, each.runs, each.items) == ("each", "t.wait", 3, 3.0)
    assert each.attempts == pytest.approx(7 / 3)
    assert each.seconds is not None and 0.05 <= each.seconds < 10
    assert (each.input_tokens, each.output_tokens, each.cost_usd) == (0, 0, None)
    (newest,) = await step_history(database, "scene", tenant="default", runs=2)
    assert newest.runs == 2
    assert await step_history(database, "scene", tenant="other") == []
    assert await step_history(database, "letter", tenant="default") == []


async def gathered(folder: Path, url: str | None, *, past: bool = True, steps: str = STEPS) -> tuple[Facts, str]:
    settings = Settings(root=folder, database=DatabaseSettings(url=url))
    workflow = flow(steps, HEAD)
    return await asyncio.to_thread(gather_facts, settings, Registry(), workflow, tenant="default", past=past)


async def test_a_forecast_says_that_it_is_from_past_runs(ran: str, tmp_path: Path) -> None:
    facts, told = await gathered(tmp_path, ran)
    assert told == "past runs: the newest 3 that succeeded, of any version"
    found = forecast(flow(STEPS, HEAD), {"words": ["a"]}, facts)
    assert found.steps[0].expected_seconds.source == "median of 3 past runs"
    assert found.expected_seconds.value == found.steps[0].expected_seconds.value
    _, told = await gathered(tmp_path, ran, steps=STEPS.replace("t.wait", "t.slower"))
    assert told == "past runs: no run of scene has succeeded yet"
    facts, told = await gathered(tmp_path, ran, past=False)
    assert (facts.history, told) == ({}, "past runs: not asked for")


async def test_a_database_that_does_not_answer_is_no_error(tmp_path: Path, empty_database_url: str) -> None:
    facts, told = await gathered(tmp_path, "postgresql://somebody:geheim@127.0.0.1:1/nowhere")
    assert facts.history == {} and told.startswith("past runs: not looked at: ") and "geheim" not in told
    _, told = await gathered(tmp_path, empty_database_url)
    assert told == "past runs: not looked at: the database has no runs of this package's schema"


async def test_the_embedded_server_is_asked_only_where_it_is_up(postgres: ThrowawayServer, tmp_path: Path) -> None:
    _, told = await gathered(tmp_path, None)
    assert told == "past runs: not looked at, since no database is configured and the embedded one is not up"
    assert not (tmp_path / ".orchestrator").exists()
    assert EmbeddedPostgres.running(postgres.data_dir) == postgres.url
    (tmp_path / "postmaster.pid").write_text("1\n")
    assert EmbeddedPostgres.running(tmp_path) is None
