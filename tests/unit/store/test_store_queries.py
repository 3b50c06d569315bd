"""Named blocks of SQL."""

import re
from pathlib import Path

import pytest

from orchestrator.store import queries

STORE = Path(queries.__file__).parent


def test_a_file_is_split_at_its_names() -> None:
    text = "-- name: one\n-- Explained.\nSELECT 1;\n\n-- name: two\nSELECT 2;\n"
    assert queries.parse(text) == {"one": "-- Explained.\nSELECT 1;", "two": "SELECT 2;"}


def test_a_name_that_no_file_has_is_an_error() -> None:
    with pytest.raises(KeyError):
        queries.query("no_such_block")


def test_every_block_is_used_and_every_used_block_exists() -> None:
    written = set()
    for file in (STORE / "sql").glob("*.sql"):
        written |= set(queries.parse(file.read_text()))
    code = "".join(file.read_text() for file in STORE.glob("*.py"))
    used = set(re.findall(r'query\(\s*"(\w+)"', code)) | set(re.findall(r'_write\(\s*"(\w+)"', code))
    used |= {"put_checkpoint_fenced", "put_writes_fenced"}
    assert used == written
