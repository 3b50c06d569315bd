from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.forms import form_fields, prompt_answer, read_answer
from orchestrator.client.questions import form_text
from orchestrator.domain.budget import BUDGET_FORM
from orchestrator.errors import InputError
from tests.unit.cli.traces import FORM

TYPED: dict[str, Any] = {
    "type": "object",
    "required": ["count", "word"],
    "properties": {
        "count": {"$ref": "#/$defs/count"},
        "word": {"type": "string"},
        "sure": {"type": "boolean"},
        "mood": {"enum": ["1", "2"], "default": "1", "description": "how it went"},
    },
    "$defs": {"count": {"type": "integer", "minimum": 1}},
}


@pytest.mark.parametrize(
    ("form", "pairs", "value"),
    [
        (FORM, ["decision=approve", "note=12"], {"decision": "approve", "note": "12"}),
        (FORM, ["decision=perhaps", "other=[1]"], {"decision": "perhaps", "other": [1]}),
        (TYPED, ["count=3", "word=true", "sure=true"], {"count": 3, "word": "true", "sure": True}),
        (TYPED, ["sure=maybe"], {"sure": "maybe"}),
        (BUDGET_FORM, ["decision=continue", "usd=0.5", "tokens=9"], {"decision": "continue", "usd": 0.5, "tokens": 9}),
        (None, ["a=1", "b=words"], {"a": 1, "b": "words"}),
    ],
)
def test_fields_are_read_by_the_types_of_the_form(form: Any, pairs: list[str], value: Any) -> None:
    assert read_answer(form, pairs, None) == value


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [(FORM, '{"decision": 1}', {"decision": 1}), (None, "words", "words"), ({"type": "string"}, "12", "12")],
)
def test_a_whole_value_is_json_unless_the_form_takes_text(form: Any, text: str, value: Any, tmp_path: Path) -> None:
    assert read_answer(form, [], text) == value
    file = tmp_path / "answer.json"
    file.write_text('[1, "a"]')
    assert read_answer(form, [], f"@{file}") == [1, "a"]


@pytest.mark.parametrize(
    ("pairs", "text", "message"),
    [
        (["decision"], None, "not of the form key=value"),
        (["a=1", "a=2"], None, "given twice"),
        (["a=1"], "{}", "both --value and -v"),
        ([], "{", "not a JSON value of type object"),
        ([], "@nowhere.json", "cannot read nowhere.json"),
        ([], "@{bad}", r"bad.json:2:1: not JSON"),
        ([], "@{latin}", "not UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused(pairs: list[str], text: str | None, message: str, tmp_path: Path) -> None:
    bad, latin = tmp_path / "bad.json", tmp_path / "latin.json"
    bad.write_text("[1,\n]")
    latin.write_bytes(b'"\xe9"')
    given = None if text is None else text.replace("{bad}", str(bad)).replace("{latin}", str(latin))
    with pytest.raises(InputError, match=message):
        read_answer(FORM, pairs, given)


def prompted(form: Any, *lines: str) -> tuple[Any, list[str], list[str]]:
    typed, labels, said = iter(lines), [], []

    def ask(label: str) -> str:
        labels.append(label)
        return next(typed)

    value = prompt_answer(form, ask, said.append)
    assert next(typed, None) is None
    return value, labels, said


def test_each_field_is_asked_for_until_it_fits() -> None:
    value, labels, said = prompted(FORM, "", "perhaps", "approve", "")
    assert value == {"decision": "approve"}
    assert labels == ["decision (approve or reject)"] * 3 + ["note (string, Enter leaves it out)"]
    assert said == ["decision: a value is needed", "decision: 'perhaps' is not one of ['approve', 'reject']"]


def test_references_and_types_of_the_form_hold_for_its_fields() -> None:
    value, labels, said = prompted(TYPED, "x", "0", "2", "word", "yes", "true", "2")
    assert value == {"count": 2, "word": "word", "sure": True, "mood": "2"}
    assert said[0] == "count: 'x' is not of type 'integer'"
    assert said[1] == "count: 0 is less than the minimum of 1"
    assert said[2] == "sure: 'yes' is not a JSON value of type boolean"
    assert labels[-1] == "mood (1 or 2, Enter leaves it out): how it went"


def test_a_default_is_taken_where_a_value_is_needed() -> None:
    form = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "default": 7}}}
    assert prompted(form, "")[:2] == ({"a": 7}, ["a (integer, Enter for 7)"])


def test_a_form_without_fields_is_asked_for_as_a_whole() -> None:
    assert prompted({"type": "integer"}, "x", "3")[0] == 3
    assert prompted(None, "words")[0] == "words"
    assert form_fields({"type": "array", "properties": {"a": {}}}) == {}


def test_a_form_fits_on_a_line() -> None:
    assert form_text(FORM) == "decision (approve or reject), note (string, may be left out)"
    assert form_text(None) == "any JSON value"
    assert form_text({"type": "integer"}) == 'a JSON value like {"type": "integer"}'
    odd = {"properties": {"a": True, "b": {"type": ["string", "null"]}, "c": {"const": 3}}, "required": ["a"]}
    assert form_text(odd) == "a, b (string or null, may be left out), c (3, may be left out)"
