from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from orchestrator.cli.commands.initialise import project_name, write_project
from orchestrator.errors import InputError


def test_a_project_has_the_six_folder_shape_and_the_mark(tmp_path: Path) -> None:
    folder = tmp_path / "My Agents!"
    written = {str(path.relative_to(folder)) for path in write_project(folder)}
    assert written == {
        ".gitignore",
        "README.md",
        "configs/default.yaml",
        "evals/README.md",
        "graphs/hello.yaml",
        "graphs/workflow.schema.json",
        "pyproject.toml",
        "tests/test_greeting.py",
        "workers/__init__.py",
        "workers/greeting.py",
    }
    marked = tomllib.loads((folder / "pyproject.toml").read_text())
    assert marked["tool"]["orchestrator"] == {
        "workers": ["workers"],
        "graphs": "graphs",
        "config": "configs/default.yaml",
    }
    assert marked["project"]["name"] == "my-agents"
    assert "${{ inputs.name }}" in (folder / "README.md").read_text()
    assert "${{ inputs.name }}" in (folder / "graphs" / "hello.yaml").read_text()


@pytest.mark.parametrize(("folder", "name"), [("agents", "agents"), ("My Agents", "my-agents"), ("___", "workflows")])
def test_the_name_comes_from_the_folder(tmp_path: Path, folder: str, name: str) -> None:
    assert project_name(tmp_path / folder) == name


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        write_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="not an empty folder"):
        write_project(file)
    with pytest.raises(InputError, match="cannot write"):
        write_project(file / "below")
