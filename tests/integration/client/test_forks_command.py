"""`orchestrator runs fork`, `retry`, `history` and `list --dead`, and what `show` says of forks and dead letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator import RunHandle
from orchestrator.cli import application, consoles
from orchestrator.cli.commands.forks import read_overlay
from orchestrator.cli.failures import exit_code
from orchestrator.errors import InputError
from tests.integration.supervisor.scene import opened
from tests.integration.supervisor.test_forks import CHAIN, HEAD, ended
from tests.integration.supervisor.test_retries import FLAKY

WORKERS = """
from orchestrator import worker
from pydantic import BaseModel


class Said(BaseModel):
    text: str


@worker("t.say", pool="test")
async def say(input: Said) -> Said:
    return Said(text=input.text + "?")
"""


@pytest.fixture
def project(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "project"
    (folder / "own_workers").mkdir(parents=True)
    (folder / "own_workers" / "__init__.py").write_text(WORKERS)
    (folder / "pyproject.toml").write_text('[tool.orchestrator]\nworkers = ["own_workers"]\n')
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", database_url)
    yield folder


def call(project: Path, *arguments: str) -> tuple[int, str, str]:
    """The exit code, what is printed, and the error as people see it."""
    consoles.stdout_console.cache_clear()
    consoles.stderr_console.cache_clear()
    done = CliRunner().invoke(application, ["-C", str(project), "runs", *arguments])
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.exit_code, done.stdout, done.stderr
    return exit_code(done.exception), done.stdout, str(done.exception)


def run(url: str, folder: Path, steps: str, head: str = "") -> str:
    """The id of a run that has ended."""

    async def done() -> RunHandle:
        async with opened(url, folder) as scene:
            return await ended(scene, steps, head)

    return str(asyncio.run(done()).id)


def test_a_fork_is_begun_followed_and_says_where_it_comes_from(project, database_url, tmp_path) -> None:
    source = run(database_url, tmp_path, CHAIN, HEAD)
    code, out, err = call(project, "fork", source, "write", "--with", "text=123", "--json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert data["output"] == {"said": "123? side?"}
    assert (data["forked_from"], data["fork"]["with"]) == (source, {"text": "123"})
    assert [step["reused_from"] for step in data["steps"]] == [source, source, None, None]
    _, shown, _ = call(project, "show", data["run_id"])
    assert f"forked from run {source} at step write, with text" in shown
    _, told, _ = call(project, "history", data["run_id"])
    assert f"read · succeeded · reused from run {source}" in told
    _, lines, _ = call(project, "history", data["run_id"], "--json")
    first = json.loads(lines.splitlines()[0])
    assert (first["number"], first["steps"][0]["reused_from"]) == (1, source)


def test_a_detached_fork_prints_its_id_and_what_cannot_be_is_said(project, database_url, tmp_path) -> None:
    source = run(database_url, tmp_path, CHAIN, HEAD)
    code, out, _ = call(project, "fork", source, "write", "--with-json", '{"text": "x"}', "--detach")
    assert code == 0 and out.strip() != source
    assert call(project, "show", out.strip())[0] == 0
    code, _, error = call(project, "fork", source, "wirte", "--detach")
    assert (code, "did you mean 'write'?" in error) == (2, True)
    code, _, error = call(project, "fork", source, "write", "--with", "txt=x", "--detach")
    assert (code, "takes no 'txt' (did you mean 'text'?)" in error) == (2, True)
    code, _, error = call(project, "retry", source, "--detach")
    assert (code, "no step of it is to be tried again" in error) == (2, True)


def test_a_dead_letter_is_listed_shown_and_retried(project, database_url, tmp_path) -> None:
    source = run(database_url, tmp_path, FLAKY)
    run(database_url, tmp_path, CHAIN, HEAD)
    _, listed, _ = call(project, "list", "--dead", "--json")
    assert [row["id"] for row in json.loads(listed)] == [source]
    _, shown, _ = call(project, "show", source)
    assert "dead letter: step flaky: its tries are used up (2 attempts)" in shown
    assert f"orchestrator runs retry {source[:13]}" in shown
    _, told, _ = call(project, "history", source)
    assert "flaky · failed (dead letter) · gone" in told
    code, out, _ = call(project, "retry", source, "--step", "flaky", "--detach")
    assert code == 0
    assert f"retry of run {source} at step flaky" in call(project, "show", out.strip())[1]
    code, _, error = call(project, "list", "--dead", "--status", "running")
    assert (code, "--dead lists failed runs" in error) == (2, True)


SCHEMAS = {"limit": {"type": "integer"}, "topic": {"type": "string"}, "any": {}}


@pytest.mark.parametrize(
    ("pairs", "text", "values"),
    [
        ([], None, None),
        (["limit=5", "topic=5", "any=5", "other=x"], None, {"limit": 5, "topic": "5", "any": 5, "other": "x"}),
        (["limit=6"], '{"limit": 5, "topic": "x"}', {"limit": 6, "topic": "x"}),
    ],
)
def test_an_overlay_is_read_by_the_types_of_its_keys(pairs, text, values) -> None:
    assert read_overlay(pairs, text, SCHEMAS) == values


@pytest.mark.parametrize(
    ("pairs", "text", "message"),
    [
        (["limit"], None, "not of the form key=value"),
        (["limit=five"], None, "--with limit: 'five' is not a JSON value of type integer"),
        ([], "{", "--with-json is not JSON"),
        ([], "[1]", "--with-json must be one JSON object"),
    ],
)
def test_an_overlay_that_cannot_be_read_is_refused(pairs, text, message) -> None:
    with pytest.raises(InputError, match=message):
        read_overlay(pairs, text, SCHEMAS)
