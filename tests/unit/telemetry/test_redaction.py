"""Secrets are hidden wherever they stand, in every form that text gives them."""

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.telemetry import Redactor

SECRET = 'p@ss "word"\n/+é'


@pytest.mark.parametrize(
    "written",
    [SECRET, json.dumps({"key": SECRET}), json.dumps([SECRET], ensure_ascii=False), quote(SECRET), quote_plus(SECRET)],
)
def test_every_form(written):
    clean = Redactor([SECRET]).text(f"before {written} after")
    assert "[redacted]" in clean
    assert "word" not in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")


def test_values_are_walked_and_left_alone():
    value = {"a": ["key=hunter22", 7, None], "hunter22": ("hunter22", True)}
    clean = Redactor(["hunter22"]).value(value)
    assert clean == {"a": ["key=[redacted]", 7, None], "[redacted]": ("[redacted]", True)}
    assert value["a"][0] == "key=hunter22"


def test_the_longer_secret_wins():
    assert Redactor(["abcd", "abcdefgh"]).text("abcdefgh abcd") == "[redacted] [redacted]"


def test_short_values_hide_nothing():
    redactor = Redactor(["1", "", "abc"])
    assert not redactor
    assert redactor.text("1 abc") == "1 abc"


@given(st.text(min_size=4), st.text(), st.text())
def test_no_secret_survives(secret, before, after):
    clean = Redactor([secret]).text(before + secret + after)
    assert secret not in clean.replace("[redacted]", "") or secret in before + after
