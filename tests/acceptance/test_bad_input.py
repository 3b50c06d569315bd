"""What a person sees who gives something wrong: a clear message at the right place, and the right exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.testing import ScriptedModel

REPOSITORY = Path(__file__).parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]

WORKERS = '''
"""Workers that go wrong."""

from pydantic import BaseModel

from orchestrator import worker


class Number(BaseModel):
    value: int


@worker("wrong.raises")
async def raises() -> Number:
    raise LookupError("the shelf is empty")


@worker("wrong.type")
async def wrong_type() -> Number:
    return {"value": "seven"}
'''

FIVE_MISTAKES = """\
api: orchestrator/v1
name: mistakes
version: 1.0.0
steps:
  first:
    kind: worker
    worker: wrong.rises
    whit: {text: hello}
  second:
    kind: worker
    worker: wrong.raises
    needs: [frist]
    retry: {max_attempts: many}
    when: "steps.first.status == "
"""


@pytest.fixture
def command(database_url: str) -> Command:
    """Runs `orchestrator …` in a folder, without any model's key."""

    def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "ORCHESTRATOR"))}
        return subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            cwd=folder,
            env=kept | {"ORCHESTRATOR_DATABASE_URL": database_url, "COLUMNS": "200"} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with workers that go wrong."""
    for name, text in {
        "pyproject.toml": '[tool.orchestrator]\nworkers = ["workers"]\ngraphs = "graphs"\n',
        "workers/__init__.py": '"""Workers."""\n',
        "workers/wrong.py": WORKERS,
        "graphs/mistakes.yaml": FIVE_MISTAKES,
        "graphs/one.yaml": (
            "api: orchestrator/v1\nname: one\nversion: 1.0.0\ninputs: {worker: {type: string, default: x}}\n"
            "steps:\n  only: {kind: worker, worker: wrong.raises}\n"
        ),
        "graphs/type.yaml": (
            "api: orchestrator/v1\nname: type\nversion: 1.0.0\nsteps:\n  only: {kind: worker, worker: wrong.type}\n"
        ),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("verb", ["validate", "run"])
def test_five_mistakes_are_five_located_errors_in_one_go(project: Path, command: Command, verb: str) -> None:
    done = command(project, verb, "graphs/mistakes.yaml")
    places = [line.split(": ")[0].removeprefix("error[ORC-110]").strip() for line in done.stderr.splitlines()]
    assert done.returncode == 2
    for line in (7, 8, 12, 13, 14):
        assert any(f"graphs/mistakes.yaml:{line}:" in place + ":" for place in places), done.stderr
    for hint in ("wrong.raises", "with", "first"):
        assert f"did you mean {hint!r}" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "graphs/absent.yaml"), ["graphs/absent.yaml"]),
        (("run", "graphs/one.yaml", "-i", "werker=x"), ["werker", "worker"]),
        (("run", "graphs/one.yaml", "-i", "worker"), ["key=value"]),
        (("runs", "show", "abc123"), ["abc123"]),
        (("trace", "zzz"), ["zzz"]),
    ],
)
def test_wrong_words_on_the_command_line_end_with_2(
    project: Path, command: Command, arguments: tuple[str, ...], words: list[str]
) -> None:
    done = command(project, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("graphs/one.yaml", ["the shelf is empty", "only"]),
        ("graphs/type.yaml", ["wrong_type", "expected Number", "only"]),
    ],
)
def test_a_worker_that_goes_wrong_fails_the_run_with_1(
    project: Path, command: Command, graph: str, words: list[str]
) -> None:
    done = command(project, "run", graph)
    assert done.returncode == 1, done.stdout + done.stderr
    assert all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr


def test_a_database_that_is_down_ends_with_3_and_hides_the_password(project: Path, command: Command) -> None:
    url = "postgresql://somebody:geheim@127.0.0.1:1/nowhere"
    done = command(project, "run", "graphs/one.yaml", ORCHESTRATOR_DATABASE_URL=url)
    assert done.returncode == 3
    assert "127.0.0.1:1/nowhere" in done.stderr and "geheim" not in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def brief(command: Command) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the reference brief on a folder with a model that only ever answers nonsense."""

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        with ScriptedModel(reply_to=lambda request: "I would rather not.") as model:
            inputs = ("-i", f"folder={folder}", "-i", f"save_as=test-{os.getpid()}.md")
            return command(REPOSITORY, "run", "graphs/brief.yaml", *inputs, *arguments, **model.environ)

    yield run
    (REPOSITORY / "out" / f"test-{os.getpid()}.md").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "absent", ["absent", "folder_missing"]),
        (lambda folder: folder, ["folder_empty"]),
        (
            lambda folder: (folder / "bad.txt").write_bytes(b"\xff\xfe\x00bad") and folder,
            ["bad.txt", "file_unreadable"],
        ),
    ],
)
def test_a_folder_that_cannot_be_read_is_named(brief, tmp_path, make, words) -> None:
    done = brief(make(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert all(word in done.stdout + done.stderr for word in words), done.stdout + done.stderr


def test_a_document_of_two_megabytes_is_read_in_part_and_says_so(brief, tmp_path) -> None:
    sentence = "The mill at the river grinds {} sacks of barley on every market day of the year. "
    (tmp_path / "large.txt").write_text("".join(sentence.format(number) for number in range(25_000)))
    done = brief(tmp_path, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    output = json.loads(done.stdout)["output"]
    assert output["points"]["extractive"] >= 1 and output["points"]["agent"] == 0
    read = re.search(r"large.txt: ([\d,]+) of ([\d,]+) characters", output["markdown"])
    assert read is not None, output["markdown"]
    part, whole = (int(number.replace(",", "")) for number in read.groups())
    assert whole > 2_000_000 and 0 < part < 20_000
