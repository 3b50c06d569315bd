"""`orchestrator runs answer`, and what the other commands show of questions, pauses and runs below."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator import Orchestrator
from orchestrator.cli import application, consoles
from orchestrator.cli.commands import answer
from orchestrator.cli.failures import exit_code
from orchestrator.domain.identity import NO_ITEM
from orchestrator.domain.worker import RUN_WORKER
from orchestrator.store import Database, inbox
from tests.integration.client.test_versions import letter
from tests.integration.store.asking import ask, child_of, finish, pause
from tests.integration.store.scene import Scene


class Desk:
    """A project on the command line, with one run of the tenant acme."""

    def __init__(self, project: Path, url: str) -> None:
        self.project, self.url = project, url
        self.run = asyncio.run(self._submit())

    async def _submit(self) -> str:
        async with Orchestrator.connect(database=self.url, tenant="acme") as app:
            return str((await app.submit(letter("dear"))).id)

    def do(self, work: Callable[[Scene], Awaitable[Any]]) -> Any:
        """Something that the supervisor would do."""

        async def done() -> Any:
            database = await Database.connect(self.url, size=2)
            try:
                run_id = await database.fetchval("SELECT id FROM runs WHERE id = $1", self.run)
                return await work(Scene(database, run_id))
            finally:
                await database.close()

        return asyncio.run(done())

    def call(self, *arguments: str, typed: str | None = None) -> tuple[int, str]:
        """The exit code and everything that is printed, with the error as people see it."""
        consoles.stdout_console.cache_clear()
        consoles.stderr_console.cache_clear()
        done = CliRunner().invoke(application, ["-C", str(self.project), *arguments, "--tenant", "acme"], input=typed)
        if done.exception is None or isinstance(done.exception, SystemExit):
            return done.exit_code, done.output
        return exit_code(done.exception), f"{done.output}{done.exception}"

    def answer(self, *arguments: str, typed: str | None = None) -> tuple[int, str]:
        return self.call("runs", "answer", *arguments, typed=typed)

    def unread(self) -> list[Any]:
        return self.do(lambda scene: inbox.read_inbox(scene.database, scene.run_id))


@pytest.fixture
def desk(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    (tmp_path / "pyproject.toml").write_text("[tool.orchestrator]\n")
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return Desk(tmp_path, database_url)


def test_an_answer_is_typed_by_the_form_and_stored_with_its_name(desk: Desk) -> None:
    desk.do(ask)
    code, text = desk.answer(desk.run[:13], "approve", "-v", "decision=approve", "-v", "note=12", "--by", "bob")
    assert (code, text) == (0, f"answered step 'approve' of run {desk.run}\n")
    (row,) = desk.unread()
    assert row.settled.step == "approve"
    code, text = desk.answer(desk.run, "approve", "-v", "decision=reject")
    assert code == 2 and "was answered already by bob" in text


def test_wrong_answers_name_every_problem_and_leave_nothing(desk: Desk) -> None:
    desk.do(ask)
    code, text = desk.answer(desk.run, "-v", "decision=perhaps", "--by", "bob")
    assert code == 2 and "decision: 'perhaps' is not one of ['approve', 'reject']" in text
    code, text = desk.answer(desk.run, "--value", '{"note": 7}')
    assert code == 2
    assert "'decision' is a required property" in text and "note: 7 is not of type 'string'" in text
    assert "the form asks for decision (approve or reject), note (string, may be left out)" in text
    assert desk.unread() == []


def test_without_a_value_the_form_is_shown_and_the_command(desk: Desk) -> None:
    desk.do(lambda scene: ask(scene, item=2, description="Well?", feedback=["too short"], rejected={"decision": "x"}))
    code, text = desk.answer(desk.run)
    assert code == 2
    for line in ("Well?", "text: hi", "refused: too short", 'what was refused: {"decision": "x"}', "for anna"):
        assert line in text
    assert "asks for: decision (approve or reject), note (string, may be left out)" in text
    command = f"orchestrator runs answer {desk.run[:13]} --tenant acme approve --item 2 -v decision=…"
    assert f"give it: {command}" in text
    assert desk.unread() == []


def test_on_a_terminal_each_field_is_asked_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "_at_terminal", lambda: True)
    desk.do(ask)
    code, text = desk.answer(desk.run, typed="perhaps\nreject\n\n")
    assert code == 0, text
    assert "decision (approve or reject)" in text and "'perhaps' is not one of" in text
    assert len(desk.unread()) == 1


def test_all_that_waits_is_listed(desk: Desk) -> None:
    assert desk.answer() == (0, "nothing waits for a person\n")
    desk.do(lambda scene: ask(scene, item=1, expires=4e9, description="Well?"))
    desk.do(lambda scene: pause(scene.database, scene.run_id))
    code, text = desk.answer()
    lines = text.splitlines()
    assert code == 0 and len(lines) == 6
    assert lines[0].startswith(f"? approve[1] of letter {desk.run[:13]} · for anna · asked ")
    assert " · expires in " in lines[0]
    assert lines[2] == f"  orchestrator runs answer {desk.run[:13]} --tenant acme approve --item 1 -v decision=…"
    assert lines[3].startswith(f"? budget of letter {desk.run[:13]} · asked")
    assert lines[4:] == [
        "  the run is paused: 1.02 of 1 USD",
        f"  orchestrator runs answer {desk.run[:13]} --tenant acme -v decision=…",
    ]
    listed = json.loads(desk.answer("--json")[1])
    assert [(each["step"], each["item"], each["run_id"]) for each in listed] == [
        ("approve", 1, desk.run),
        ("", NO_ITEM, desk.run),
    ]


def test_a_budget_is_answered_without_a_step(desk: Desk) -> None:
    desk.do(lambda scene: pause(scene.database, scene.run_id))
    code, text = desk.answer(desk.run, "-v", "decision=continue", "-v", "usd=1.5", "--by", "bob", "--json")
    assert (code, json.loads(text)) == (0, {"run_id": desk.run, "step": "", "item": NO_ITEM})
    (row,) = desk.unread()
    assert (row.kind, row.payload) == ("answer", {"value": {"decision": "continue", "usd": 1.5}, "by": "bob"})


def test_several_an_ended_run_and_an_unknown_step_are_explained(desk: Desk) -> None:
    desk.do(ask)
    desk.do(lambda scene: ask(scene, "sign"))
    code, text = desk.answer(desk.run, "-v", "decision=approve")
    assert code == 2 and "2 questions of run" in text and "step 'sign' of run" in text
    code, text = desk.answer(desk.run, "sing", "-v", "decision=approve")
    assert code == 2 and "step 'sing' of run" in text and "asks nobody" in text
    desk.do(lambda scene: finish(scene.database, scene.run_id, "failed"))
    code, text = desk.answer(desk.run, "sign", "-v", "decision=approve")
    assert code == 2 and "has ended already: failed" in text


async def begin_review(scene: Scene) -> str:
    """The step `review` begins a run, which asks a person."""
    await scene.queue(scene.order("review", worker=RUN_WORKER, pool=""))
    child = await child_of(scene)
    await ask(child)
    return str(child.run_id)


def test_a_run_shows_its_questions_its_pause_and_the_runs_below(desk: Desk) -> None:
    child = desk.do(begin_review)
    desk.do(lambda scene: pause(scene.database, scene.run_id))
    code, text = desk.call("runs", "show", desk.run)
    assert code == 0
    assert f"review  {child[:13]}  check 1.0.0  · queued" in text
    assert f"orchestrator runs answer {child[:13]} --tenant acme approve -v decision=…" in text
    assert f"run {desk.run} = paused: 1.02 of 1 USD" in text
    data = json.loads(desk.call("runs", "show", desk.run, "--json")[1])
    assert [each["run_id"] for each in data["questions"]] == [child, desk.run]
    assert data["children"] == [{"run_id": child, "step": "review", "workflow": "check", "status": "queued"}]
    assert f"began by step review of run {desk.run}" in desk.call("runs", "show", child)[1]
    desk.do(lambda scene: finish(scene.database, scene.run_id))
    code, text = desk.call("runs", "show", desk.run)
    assert code == 0 and child[:13] in text and "runs answer" not in text


def test_lists_and_traces_know_the_runs_below(desk: Desk) -> None:
    child = desk.do(begin_review)
    assert child[:13] not in desk.call("runs", "list")[1]
    assert child[:13] in desk.call("runs", "list", "--children")[1]
    desk.do(
        lambda scene: scene.database.execute(
            "INSERT INTO steps (run_id, step, tenant, position, kind, status) "
            "SELECT id, CASE WHEN parent_run IS NULL THEN 'review' ELSE 'approve' END, tenant, 0, 'human', 'running' "
            "FROM runs"
        )
    )
    code, text = desk.call("trace", desk.run)
    assert code == 0
    assert f"attempt 1: run {child[:13]} check 1.0.0" in text
    assert "? approve" in text and "? question 1 to anybody" in text
