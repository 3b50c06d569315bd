"""A distribution that publishes workers: built as a wheel, installed into a folder, used by a project that names it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACK = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "1.2"

[project.entry-points."orchestrator.workers"]
{entries}

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""
WORKERS = '''
from orchestrator import as_worker, worker


@worker("acme.double", pool="acme", timeout="5s", retry_on=(ConnectionError,))
def double(number: int) -> int:
    """Twice as much."""
    return 2 * number


@worker("acme.half", pool="acme")
def half(number: int) -> float:
    return number / 2


CHOSEN = [double]
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three installed packs: a good one, one whose names clash with it, one that does not import."""
    folder = tmp_path_factory.mktemp("packs")
    target = folder / "site"
    build(folder, target, "acme-pack", "acme_pack", WORKERS, 'acme = "acme_pack"\nacme-few = "acme_pack:CHOSEN"')
    build(folder, target, "clash-pack", "clash_pack", WORKERS, 'clash = "clash_pack:double"\nacme-few = "clash_pack"')
    build(folder, target, "broken-pack", "broken_pack", "import nowhere_at_all\n", 'broken = "broken_pack"')
    build(folder, target, "empty-pack", "empty_pack", "", 'empty = "empty_pack"')
    return target


def build(folder: Path, target: Path, name: str, package: str, code: str, entries: str) -> None:
    source = folder / name
    (source / package).mkdir(parents=True)
    (source / package / "__init__.py").write_text(code)
    (source / "pyproject.toml").write_text(PACK.format(name=name, package=package, entries=entries))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob(f"{package}-*.whl")
    zipfile.ZipFile(wheel).extractall(target)  # what installing a pure wheel comes to


def ask(site: Path, root: Path, packs: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    root.mkdir(exist_ok=True)
    (root / "pyproject.toml").write_text(f"[tool.orchestrator]\nworker_packs = {json.dumps(packs)}\n")
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(site)])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_named_packs_workers_are_the_projects(site: Path, tmp_path: Path) -> None:
    listed = ask(site, tmp_path, ["acme"], "workers", "list", "--json")
    assert [each["name"] for each in json.loads(listed.stdout)] == ["acme.double", "acme.half"]
    shown = json.loads(ask(site, tmp_path, ["acme"], "workers", "show", "acme.double", "--json").stdout)
    assert shown["place"].endswith("acme_pack/__init__.py:5")
    assert (shown["pool"], shown["timeout"], shown["retry_on"]) == ("acme", 5.0, ["ConnectionError"])
    assert shown["input_schema"]["required"] == ["number"]
    assert shown["output_schema"] == {"type": "integer"}


def test_nothing_is_imported_because_it_is_installed(site: Path, tmp_path: Path) -> None:
    listed = ask(site, tmp_path, [], "workers", "list", "--json")
    assert json.loads(listed.stdout) == []
    told = ask(site, tmp_path, [], "workers", "list").stderr
    assert "installed and not used: acme, acme-few, broken, clash, empty" in told


@pytest.mark.parametrize(
    ("packs", "message"),
    [
        (["acne"], "no installed distribution publishes a worker pack 'acne' (did you mean 'acme'?)"),
        (["acme", "clash"], "two workers are called 'acme.double'"),
        (["acme-few"], "more than one worker pack is called 'acme-few': acme-pack 1.2, clash-pack 1.2"),
        (["broken"], "the worker pack 'broken' (broken-pack 1.2: broken_pack) does not import: ModuleNotFoundError"),
        (["empty"], "the module has no worker at its top"),
    ],
)
def test_what_is_wrong_with_a_pack_is_said(site: Path, tmp_path: Path, packs: list[str], message: str) -> None:
    done = ask(site, tmp_path, packs, "workers", "list")
    assert done.returncode == 2
    assert message in done.stderr
