from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.inputs import gather_inputs, parse_value
from orchestrator.errors import InputError, InputsInvalid

SCHEMAS: dict[str, dict[str, Any]] = {
    "folder": {"type": "string"},
    "limit": {"type": "integer"},
    "ratio": {"type": "number"},
    "strict": {"type": "boolean"},
    "tags": {"type": "array"},
    "options": {"type": "object"},
    "either": {"type": ["string", "null"]},
    "choice": {"enum": ["1", "2"]},
    "free": {},
}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("folder=docs", "docs"),
        ("folder=12", "12"),
        ("folder=", ""),
        ("folder=a=b", "a=b"),
        ('folder="quoted"', '"quoted"'),
        ("limit=12", 12),
        ("ratio=0.5", 0.5),
        ("strict=true", True),
        ('tags=["a", 1]', ["a", 1]),
        ('options={"a": null}', {"a": None}),
        ("either=null", None),
        ("either=plain text", "plain text"),
        ("choice=1", "1"),
        ("free=[1]", [1]),
        ("free=words", "words"),
    ],
)
def test_a_value_is_read_by_the_declared_type(pair: str, value: Any) -> None:
    assert gather_inputs(SCHEMAS, [pair], None) == {pair.partition("=")[0]: value}


@given(st.text())
def test_a_string_stays_as_it_is(text: str) -> None:
    assert parse_value({"type": "string"}, text) == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(json_values)
def test_json_survives(value: Any) -> None:
    assert parse_value({"type": ["array", "object", "boolean", "integer", "null"]}, json.dumps(value)) == value


def test_every_bad_key_is_named_at_once() -> None:
    with pytest.raises(InputsInvalid) as caught:
        gather_inputs(SCHEMAS, ["limit=many", "foldr=docs", "strict=yes"], None)
    message = caught.value.message
    assert "input 'limit': 'many' is not a JSON value of type integer" in message
    assert "unknown input 'foldr' (did you mean 'folder'?)" in message
    assert "input 'strict'" in message


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(value: str) -> None:
    with pytest.raises(InputsInvalid, match="'ratio'"):
        gather_inputs(SCHEMAS, [f"ratio={value}"], None)


@pytest.mark.parametrize("pair", ["folder", "=docs", " =docs"])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match="key=value"):
        gather_inputs(SCHEMAS, [pair], None)


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="'folder' is given twice"):
        gather_inputs(SCHEMAS, ["folder=a", "folder=b"], None)


def test_a_pair_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"folder": "from file", "limit": 3}')
    assert gather_inputs(SCHEMAS, ["folder=from pair"], file) == {"folder": "from pair", "limit": 3}


@pytest.mark.parametrize(
    ("content", "message"), [(b'{"a": }', r":1:7: not JSON"), (b"[1]", "one JSON object"), (b"\xff", "UTF-8")]
)
def test_a_bad_file_is_told_apart(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        gather_inputs(SCHEMAS, [], file)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        gather_inputs(SCHEMAS, [], tmp_path / "absent.json")
