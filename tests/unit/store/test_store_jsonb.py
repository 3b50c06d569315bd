"""JSON on its way into `jsonb`."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.jsonb import clean_text, from_jsonb, to_jsonb

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_a_plain_value_comes_back(value: Any) -> None:
    assert from_jsonb(to_jsonb(value)) == value


def test_none_is_sql_null() -> None:
    assert to_jsonb(None) is None
    assert from_jsonb(None) is None


@pytest.mark.parametrize(
    ("given_text", "stored"),
    [("a\0b", "a\ufffdb"), ("\\u0000", "\\u0000"), ("\\\0", "\\\ufffd"), ("\ud800x", "\ufffdx"), ("é\0", "é\ufffd")],
)
def test_what_postgres_cannot_store_is_replaced(given_text: str, stored: str) -> None:
    text = to_jsonb({"k": given_text})
    assert text is not None
    text.encode()
    assert json.loads(text) == {"k": stored}


def test_text_columns_are_cleaned_alike() -> None:
    assert clean_text("a\0\ud800é") == "a\ufffd\ufffdé"


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_jsonb([number])
