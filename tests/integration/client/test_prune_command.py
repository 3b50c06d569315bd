"""`orchestrator db prune`: what it deletes, and what it says."""

from __future__ import annotations

import asyncio
import json

import pytest

from orchestrator.store import Database
from tests.integration.client.test_answer_command import Desk
from tests.integration.store.scene import Scene


@pytest.fixture
def desk(tmp_path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A project with one run, which ended forty days ago."""
    (tmp_path / "pyproject.toml").write_text("[tool.orchestrator]\n")
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", database_url)
    desk = Desk(tmp_path, database_url)
    desk.do(_end)
    return desk


async def _end(scene: Scene) -> None:
    await scene.database.execute(
        "UPDATE runs SET status = 'succeeded', created_at = now() - interval '41 days',"
        " finished_at = now() - interval '40 days'"
    )


async def _runs(url: str) -> int:
    database = await Database.connect(url, size=2)
    try:
        count: int = await database.fetchval("SELECT count(*) FROM runs")
        return count
    finally:
        await database.close()


def test_it_says_what_goes_and_then_deletes_it(desk: Desk) -> None:
    code, text = desk.call("db", "prune", "--older-than", "30d", "--dry-run")
    assert code == 0 and "would be deleted: 2 rows" in text and asyncio.run(_runs(desk.url)) == 1
    code, text = desk.call("db", "prune", "--older-than", "30d", "--json")
    assert code == 0 and asyncio.run(_runs(desk.url)) == 0
    deleted = json.loads(text)["deleted"]
    assert (deleted["runs"]["rows"], deleted["events"]["rows"]) == (1, 1)
    assert deleted["runs"]["bytes"] > 0
    assert desk.call("db", "prune", "--older-than", "30d") == (0, "deleted: 0 rows, 0 B\n")


def test_what_is_younger_stays(desk: Desk) -> None:
    code, _ = desk.call("db", "prune", "--older-than", "50d")
    assert code == 0 and asyncio.run(_runs(desk.url)) == 1


@pytest.mark.parametrize("given", ["a month", "-3d", ""])
def test_a_duration_is_wanted(desk: Desk, given: str) -> None:
    code, text = desk.call("db", "prune", "--older-than", given)
    assert code == 2 and "--older-than" in text
    assert asyncio.run(_runs(desk.url)) == 1
