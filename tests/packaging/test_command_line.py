"""The commands and their options are a promise: a change of them is a change of this file."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from orchestrator.cli import application

COMMANDS = {
    "db": {"migrate", "prune", "status"},
    "do": set(),
    "doctor": set(),
    "init": set(),
    "models": {"list", "pull"},
    "plan": set(),
    "pools": set(),
    "run": set(),
    "runs": {"answer", "cancel", "fork", "history", "list", "retry", "show"},
    "supervisor": set(),
    "trace": set(),
    "up": set(),
    "validate": set(),
    "worker": set(),
    "workers": {"list", "show"},
}
RUN_OPTIONS = {"--detach", "--idempotency-key", "--input", "--inputs", "--json", "--no-serve", "--priority"} | {
    "--serve",
    "--tenant",
    "-i",
}


def test_the_commands_are_pinned() -> None:
    root = typer.main.get_command(application)
    found = {name: set(getattr(command, "commands", {})) for name, command in root.commands.items()}
    assert found == COMMANDS


def test_the_options_of_run_are_pinned() -> None:
    run = typer.main.get_command(application).commands["run"]
    options = {name for each in run.params for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}
    assert options == RUN_OPTIONS


@pytest.mark.parametrize("path", [[], *([name] for name in COMMANDS), *([a, b] for a in COMMANDS for b in COMMANDS[a])])
def test_every_command_explains_itself(path: list[str]) -> None:
    result = CliRunner().invoke(application, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_does_not_load_the_heavy_rooms() -> None:
    heavy = ("langgraph", "langchain_core", "openai", "asyncpg", "opentelemetry", "pgqueuer", "cel_expr_python")
    code = f"import orchestrator.cli, sys; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
