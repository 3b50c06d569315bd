"""`requirements.lock` installs what `pyproject.toml` asks for, from wherever the person's own client looks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.strip()]


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return [Requirement(text) for text in texts]


def test_every_line_is_a_pinned_name_and_nothing_else() -> None:
    bad = [line for line in LINES if not re.fullmatch(r"[a-z0-9._-]+==[0-9][A-Za-z0-9.!+]*( ; .+)?", line)]
    assert bad == []


def test_no_host_and_no_path_is_named() -> None:
    assert [line for line in LINES if re.search(r"://|@|--|file:|/", line)] == []


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_what_is_declared_is_locked_at_a_version_that_fits(requirement: Requirement) -> None:
    locked = [Requirement(line) for line in LINES]
    name = canonicalize_name(requirement.name)
    versions = [next(iter(pin.specifier)).version for pin in locked if canonicalize_name(pin.name) == name]
    assert versions, f"{requirement.name} is not in requirements.lock; run `make lock`"
    assert all(requirement.specifier.contains(version, prereleases=True) for version in versions)
