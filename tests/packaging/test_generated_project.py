"""What `orchestrator init` writes runs as it is: the whole command line, on an embedded Postgres, without a key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """Not below pytest's folder, which each session closes to the user that the server runs as under root."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        yield Path(folder) / "hello-project"


@pytest.fixture(scope="module")
def command(project: Path) -> Command:
    """Runs `orchestrator …` in the project, with an environment that names neither a database nor a key."""
    kept = {"PATH", "HOME", "TMPDIR", "LANG", "USER"}
    environ = {name: value for name, value in os.environ.items() if name in kept}

    def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "orchestrator", *arguments]
        return subprocess.run(
            line, cwd=cwd or project, env=environ, capture_output=True, text=True, timeout=120, check=False
        )

    made = run("init", str(project), cwd=project.parent)
    assert made.returncode == 0, made.stderr
    return run


def test_its_workflow_is_valid(command: Command) -> None:
    done = command("validate", "graphs/hello.yaml", "hello")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"hello 0\.1\.0 #[0-9a-f]{8}, 1 step, 2 pools \(greetings, validators\)", done.stdout)) == 2


def test_its_workflow_runs_and_can_be_looked_at_afterwards(command: Command) -> None:
    done = command("run", "graphs/hello.yaml", "-i", "name=Ada", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "succeeded"
    assert result["output"] == {"greetings": ["Hello, Ada!", "How good to see you, Ada!"]}
    assert [(step["step"], step["items_done"], step["attempts"]) for step in result["steps"]] == [("greet", 2, 2)]

    trace = command("trace", result["run_id"][:13])
    assert trace.returncode == 0, trace.stderr
    for text in (
        "hello 0.1.0",
        "greet (2/2 items)",
        "[1] attempt 1 on greeting.write",
        "verdict polite",
        "verdict short",
    ):
        assert text in trace.stdout

    shown = command("runs", "show", result["run_id"])
    assert shown.returncode == 0, shown.stderr
    assert "Hello, Ada!" in shown.stdout

    listed = command("runs")
    assert listed.returncode == 0, listed.stderr
    assert result["run_id"][:13] in listed.stdout

    again = command("runs", "cancel", result["run_id"])
    assert again.returncode == 2
    assert again.stderr.startswith("error[ORC-150]")


def test_without_a_terminal_progress_is_lines_and_the_end_is_a_table(command: Command) -> None:
    done = command("run", "hello")
    assert done.returncode == 0, done.stderr
    assert "s  run started: hello 0.1.0" in done.stderr
    assert "greet[0] attempt 1 on greeting.write" in done.stderr
    assert "✓ succeeded" in done.stdout
    assert "Hello, World!" in done.stdout
    assert "trace: orchestrator trace " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "helo"], 2, "did you mean 'hello'?"),
        (["run", "hello", "-i", "nam=Ada"], 2, "did you mean 'name'?"),
        (["run", "hello", "-i", "name="], 2, "error[ORC-120]"),
        (["run", "hello", "--inputs", "absent.json"], 2, "cannot read the inputs file"),
        (["trace", "ffffffff"], 2, "error[ORC-140]"),
        (["--log-level", "loud", "runs", "list"], 2, "no log level 'loud'"),
        (["workers", "show", "greeting.wrote"], 2, "greeting.write"),
        (["runs", "list", "--status", "gone"], 2, "gone"),
    ],
)
def test_bad_input_is_told_without_a_traceback(command: Command, arguments: list[str], code: int, said: str) -> None:
    done = command(*arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_down_is_exit_code_3(project: Path, command: Command) -> None:
    config = project / "configs" / "default.yaml"
    before = config.read_text()
    config.write_text(before + "database:\n  url: postgresql://nobody:secret@127.0.0.1:1/none\n")
    try:
        for arguments in (["run", "hello"], ["runs", "list"], ["db", "status"], ["doctor"]):
            done = command(*arguments)
            assert done.returncode == 3, (arguments, done.stdout, done.stderr)
            assert "127.0.0.1:1" in done.stdout + done.stderr
            assert "secret" not in done.stdout + done.stderr
    finally:
        config.write_text(before)


def test_the_schema_is_current_after_a_migration(command: Command) -> None:
    first = command("db", "migrate")
    assert first.returncode == 0, first.stderr
    again = command("db", "migrate")
    assert again.stdout == "nothing to do: the schema is current\n", again.stderr
    status = command("db", "status", "--json")
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["pending"] == []


def test_its_own_test_passes(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_a_second_init_refuses(project: Path, command: Command) -> None:
    done = command("init", str(project))
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr
