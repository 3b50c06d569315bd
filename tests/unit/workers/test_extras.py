from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIBRARIES = ("duckdb", "numpy", "pypdfium2", "safetensors", "selectolax", "tokenizers", "wordllama")
WITHOUT = """
import asyncio, importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import workers
for module in pkgutil.iter_modules(workers.__path__):
    importlib.import_module(f"workers.{module.name}")

import workers.places
from pathlib import Path
workers.places.PROJECT_ROOT = Path(sys.argv[1])
from workers.documents import read_folder
from workers.failures import Refused
from workers.embeddings import LocalEmbedder
from workers.table_queries import query

async def main():
    out = await read_folder.test(folder=".", unreadable="skip")
    print([document.path for document in out.documents])
    for skipped in out.skipped:
        print(skipped.why)
    for call in (query.test(files=["a.csv"], sql="SELECT 1"), LocalEmbedder().embed(["text"])):
        try:
            await call
        except Refused as error:
            print(error.code, error)

asyncio.run(main())
"""


def test_without_the_extra_text_is_read_and_the_rest_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("A text that is long enough to be read as one document.")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "c.html").write_text("<p>page")
    (tmp_path / "a.csv").write_text("a\n1\n")
    command = [sys.executable, "-c", WITHOUT, str(tmp_path), *LIBRARIES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "['a.md']"
    assert len(lines) == 5
    assert all("pip install 'graph-orchestrator[specialists]'" in line for line in lines[1:])
    assert [line.split()[0] for line in lines[3:]] == ["extra_missing"] * 2
