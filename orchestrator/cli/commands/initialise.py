"""`orchestrator init`: write a runnable project into a new folder."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from orchestrator.cli.invocation import package_version
from orchestrator.cli.quantities import plural
from orchestrator.errors import InputError

SCHEMA = "workflow.schema.json"
_RENAMED = {"gitignore": ".gitignore"}
_SKIPPED = {"__pycache__"}


def init(
    folder: Annotated[Path, typer.Argument(help="A folder that is new or empty.", metavar="DIR")],
) -> None:
    """Make a project with one worker, one validator, one workflow and a test."""
    written = write_project(folder)
    typer.echo(f"wrote {plural(len(written), 'file')} to {folder}")
    typer.echo("try it:")
    typer.echo(f"  cd {folder}")
    typer.echo("  orchestrator run graphs/hello.yaml -i name=Ada")


def write_project(folder: Path) -> list[Path]:
    """Write the template into `folder` and return the files that were made.

    Raises:
        InputError: the folder is not empty, is a file, or cannot be written.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} is not an empty folder", remedy="give a new folder; nothing was changed")
        folder.mkdir(parents=True, exist_ok=True)
        names = {"name": project_name(folder), "version": package_version()}
        template = files("orchestrator.cli").joinpath("template")
        written = [path for item in template.iterdir() for path in _write(item, folder, names)]
        return written + _write(files("orchestrator.workflow").joinpath(SCHEMA), folder / "graphs", names)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}") from error


def project_name(folder: Path) -> str:
    """A name for the project that packaging accepts, made from the folder's."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    return name or "workflows"


def _write(item: Traversable, folder: Path, names: dict[str, str]) -> list[Path]:
    if item.name in _SKIPPED:
        return []
    target = folder / _RENAMED.get(item.name, item.name)
    if item.is_dir():
        target.mkdir(exist_ok=True)
        return [path for inner in item.iterdir() for path in _write(inner, target, names)]
    # YAML and Python have `$` of their own; only the files that name the project are templates.
    text = item.read_text(encoding="utf-8")
    if item.name in {"pyproject.toml", "README.md"}:
        text = Template(text).substitute(names)
    target.write_text(text, encoding="utf-8")
    return [target]
