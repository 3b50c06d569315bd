"""`orchestrator pools`: depth, waits, processes and limits, as a table and as JSON."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from orchestrator.cli import application, consoles
from orchestrator.domain.identity import new_process_id
from orchestrator.domain.worker import WorkerCard, WorkerKind
from orchestrator.store import Database, processes
from orchestrator.store.workers import publish_cards
from tests.integration.client.test_answer_command import Desk
from tests.integration.store.scene import Scene
from tests.integration.worker.backlog import Backlog

CONFIG = "sharing: {pools: {io: {max_running: 40}}}\n"
CLAIM = """
UPDATE attempts SET status = 'succeeded', claimed_at = queued_at + make_interval(secs => item % 100 / 10.0)
WHERE pool = 'io' AND status = 'queued'
"""


@pytest.fixture
def desk(tmp_path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A project with a limit, and a database with two pools, one of which is served."""
    (tmp_path / "pyproject.toml").write_text('[tool.orchestrator]\nconfig = "configs.yaml"\n')
    (tmp_path / "configs.yaml").write_text(CONFIG)
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", database_url)
    desk = Desk(tmp_path, database_url)
    desk.do(_fill)
    return desk


async def _fill(scene: Scene) -> None:
    database: Database = scene.database
    backlog = Backlog(database)
    await backlog.add("acme", 100, pool="io", age=20)
    await database.execute(CLAIM)
    await backlog.add("acme", 7, pool="io", age=30)
    await backlog.add("acme", 2, pool="io", age=-3600)
    await backlog.add("other", 3, pool="gpu", age=5)
    for slots in (8, 4):
        await processes.register(database, new_process_id(), "worker", ["io", "cpu"], slots)
    tool = WorkerCard("web.links", kind=WorkerKind.TOOL, pool="")
    await publish_cards(database, [WorkerCard("web.fetch", pool="io", rate="60/m", max_running=5), tool])


def call(desk: Desk, *arguments: str) -> str:
    consoles.stdout_console.cache_clear()
    done = CliRunner().invoke(application, ["-C", str(desk.project), "pools", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_figures_are_those_of_the_rows(desk: Desk) -> None:
    pools = {each["pool"]: each for each in json.loads(call(desk, "--json"))}
    assert sorted(pools) == ["cpu", "gpu", "io"]
    found = pools["io"]
    assert (found["queued"], found["due"], found["running"], found["claimed"]) == (9, 7, 0, 100)
    assert (found["processes"], found["slots"]) == (2, 12)
    assert 30 < found["oldest_wait"] < 60
    assert found["wait_p50"] == pytest.approx(4.95, abs=0.01)
    assert found["wait_p95"] == pytest.approx(9.405, abs=0.01)
    assert found["limits"] == {"max_running": 40, "workers": {"web.fetch": {"max_running": 5, "rate": "60/m"}}}
    assert (pools["gpu"]["due"], pools["gpu"]["processes"], pools["gpu"]["wait_p50"]) == (3, 0, None)


def test_the_table_says_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    line = next(line for line in call(desk).splitlines() if line.startswith("io "))
    assert "40 at once; web.fetch: 5 at once, 60/m" in line
    assert line.split()[1:4] == ["9", "7", "0"]


def test_a_database_that_is_not_set_up_yet_is_set_up(desk: Desk) -> None:
    async def forget(scene: Scene) -> None:
        await scene.database.execute("DROP SCHEMA orchestrator CASCADE")

    desk.do(forget)
    assert [(each["pool"], each["queued"]) for each in json.loads(call(desk, "--json"))] == [
        ("io", 0)
    ]  # of the settings
