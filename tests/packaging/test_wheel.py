"""The wheel holds the framework and nothing else, with everything that it needs at run time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "orchestrator"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = folder.glob("graph_orchestrator-*-py3-none-any.whl")
    return zipfile.ZipFile(file)


def test_only_the_package_is_in_it(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert "orchestrator" in tops
    assert {top for top in tops if top != "orchestrator" and not top.endswith(".dist-info")} == set()


def test_nothing_of_the_package_is_missing(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= set(wheel.namelist())
    assert "orchestrator/cli/template/gitignore" in expected
    assert "orchestrator/store/schema.sql" in expected
    assert "orchestrator/py.typed" in expected


def test_the_licence_is_in_it(wheel: zipfile.ZipFile) -> None:
    (licence,) = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.read(licence).decode()
