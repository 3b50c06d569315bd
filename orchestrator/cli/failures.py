"""Errors as people see them on the command line, and the exit code of each."""

from __future__ import annotations

import os
import traceback

import typer

from orchestrator.errors import InputError, OrchestratorError, ServiceError, WorkflowError

SUCCEEDED = 0
FAILED = 1
BAD_INPUT = 2
UNREACHABLE = 3
INTERRUPTED = 130

DEBUG_VARIABLE = "ORCHESTRATOR_DEBUG"


def exit_code(error: BaseException) -> int:
    """The exit code that an error ends the program with."""
    if isinstance(error, InputError):
        return BAD_INPUT
    if isinstance(error, ServiceError):
        return UNREACHABLE
    return FAILED


def unwrap(error: BaseException) -> BaseException:
    """The error to show for an exception group: its first error of ours, else its first error at all."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [unwrap(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, OrchestratorError)), leaves[0])


def describe(error: BaseException) -> list[tuple[str, str]]:
    """An error as lines of (style, text), the style being `error`, `plain` or `remedy`."""
    if isinstance(error, WorkflowError) and error.problems:
        count = len(error.problems)
        noun = "mistake" if count == 1 else "mistakes"
        files = ", ".join(sorted({problem.file for problem in error.problems}))
        lines = [("error", f"error[{error.code}]: {count} {noun} in {files}")]
        lines += [("plain", str(problem)) for problem in error.problems]
    elif isinstance(error, OrchestratorError):
        lines = [("error", f"error[{error.code}]: {error.message}")]
    else:
        text = str(error) or "no message"
        return [
            ("error", f"error: unexpected {type(error).__name__}: {text}"),
            ("remedy", f"set {DEBUG_VARIABLE}=1 to see where it came from"),
        ]
    if error.remedy:
        lines.append(("remedy", error.remedy))
    return lines


def report(error: BaseException) -> int:
    """Print an error on stderr, with a traceback only when ORCHESTRATOR_DEBUG is set, and return its exit code."""
    error = unwrap(error)
    if os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}:
        typer.echo("".join(traceback.format_exception(error)), err=True)
    for style, text in describe(error):
        if style == "error":
            typer.secho(text, err=True, fg="red", bold=True)
        elif style == "remedy":
            typer.secho("\n".join(f"  {line}" for line in text.splitlines()), err=True, fg="cyan")
        else:
            typer.echo(text, err=True)
    return exit_code(error)
