"""Finds the project: the nearest folder upwards whose `pyproject.toml` has `[tool.orchestrator]`."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.errors import ProjectError
from orchestrator.workflow.suggestions import suggest

MARK = "tool.orchestrator"


class _Mark(BaseModel):
    """What `[tool.orchestrator]` may say."""

    model_config = ConfigDict(extra="forbid", strict=True)

    workers: list[str] = []
    worker_packs: list[str] = []
    graphs: str = "graphs"
    config: str = "configs/default.yaml"


@dataclass(frozen=True, slots=True)
class Project:
    """Where a project lies.

    Attributes:
        root: its folder.
        marked: False for a folder without the mark, which is an empty project.
        workers: the packages or modules below `root` that hold workers.
        worker_packs: entry points of installed distributions that publish more workers.
        graphs: the folder of workflows, below `root`.
        config: the config file, below `root`; `models.yaml` stands beside it.
        config_named: the mark names it, so it must exist.
    """

    root: Path
    marked: bool = False
    workers: tuple[str, ...] = ()
    worker_packs: tuple[str, ...] = ()
    graphs: Path = Path("graphs")
    config: Path = Path("configs/default.yaml")
    config_named: bool = False


def find_project(start: Path) -> Project:
    """The project around `start`, or an empty one there.

    Args:
        start: a folder of the project, or one below it.

    Raises:
        ProjectError: the folder does not exist, or the mark has mistakes; all are named with their lines.
    """
    folder = start.expanduser().resolve()
    if not folder.is_dir():
        raise ProjectError(f"the project folder {start} does not exist")
    for candidate in (folder, *folder.parents):
        file = candidate / "pyproject.toml"
        text = _read(file)
        if text is not None and (table := _table(file, text)) is not None:
            return _project(file, text, table)
    return Project(root=folder)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} cannot be read: {error}") from error


def _table(file: Path, text: str) -> dict[str, Any] | None:
    try:
        table = tomllib.loads(text).get("tool", {}).get("orchestrator")
    except tomllib.TOMLDecodeError as error:
        if MARK not in text:
            return None  # somebody else's file, further up
        where = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        place = f"{file}:{where[1]}:{where[2]}" if where else str(file)
        raise ProjectError(f"{place}: not TOML: {str(error).split(' (at')[0]}") from error
    if table is not None and not isinstance(table, dict):
        raise ProjectError(f"{file}:{_line(text, 'orchestrator')}: [{MARK}] must be a table")
    return table


def _project(file: Path, text: str, table: dict[str, Any]) -> Project:
    try:
        mark = _Mark.model_validate(table)
    except ValidationError as error:
        raise ProjectError("\n".join(_problems(file, text, error))) from None
    return Project(
        root=file.parent,
        marked=True,
        workers=tuple(mark.workers),
        worker_packs=tuple(mark.worker_packs),
        graphs=Path(mark.graphs),
        config=Path(mark.config),
        config_named="config" in mark.model_fields_set,
    )


def _problems(file: Path, text: str, error: ValidationError) -> list[str]:
    problems = []
    for item in error.errors(include_url=False):
        key = str(item["loc"][0])
        place = f"{file}:{_line(text, key)}"
        if item["type"] == "extra_forbidden":
            problems.append(f"{place}: unknown key '{key}' in [{MARK}] ({suggest(key, _Mark.model_fields)})")
        else:
            problems.append(f"{place}: {key} in [{MARK}]: {item['msg']}")
    return problems


def _line(text: str, key: str) -> int:
    """The line of a key of the mark, counted from 1; the mark's own line where the key is not found."""
    start = max(text.find(f"[{MARK}]"), 0)
    found = re.search(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=", text[start:], re.MULTILINE)
    offset = start + (found.start() + len(found[0]) - len(found[0].lstrip()) if found else 0)
    return text.count("\n", 0, offset) + 1
