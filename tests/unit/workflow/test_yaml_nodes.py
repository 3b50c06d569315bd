"""YAML is read by 1.2 rules, located, and within bounds whatever the text says."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from orchestrator.workflow.problems import Problems
from orchestrator.workflow.yaml_nodes import json_of, read_yaml


def read(text: str):
    problems = Problems("f.yaml", text)
    node = read_yaml(text, problems)
    return (None if node is None else json_of(node)), [str(problem) for problem in problems.found]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("True", True), ("false", False), ("yes", "yes"), ("on", "on"), ("y", "y"),
        ("null", None), ("~", None), ("", None),
        ("0", 0), ("-12", -12), ("+1", 1), ("0o17", 15), ("0xFF", 255), ("1_000", "1_000"),
        ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-1.5E-2", -0.015), ("1.2.3", "1.2.3"), ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"), ("=", "="), ("-x", "-x"), ("0x", "0x"), ("'1'", "1"), ('"true"', "true"),
        ("!!str 5", "5"), ("! 5", "5"), ("|\n  a\n  b\n", "a\nb\n"), (">-\n  a\n  b\n", "a b"),
        ("9223372036854775807", 2**63 - 1),
    ],
)  # fmt: skip
def test_scalars(text, value):
    got, problems = read(f"k: {text}\n")
    assert problems == []
    assert got == {"k": value}
    assert type(got["k"]) is type(value)


@pytest.mark.parametrize(("text", "number"), [("012", "12"), ("-007", "7"), ("00", "0")])
def test_a_leading_zero_means_different_numbers_to_different_tools(text, number):
    _, problems = read(f"k: {text}\n")
    said = f"{text} is {number} in YAML 1.2 and an octal number in YAML 1.1"
    assert problems == [f"f.yaml:1:4: {said} (write {number}, or '{text}' if text is meant)"]
    assert read(f"k: '{text}'\n") == ({"k": text}, [])


def test_aliases_share_their_value():
    assert read("a: &x {k: [1]}\nb: *x\n&n c: *n\n") == ({"a": {"k": [1]}, "b": {"k": [1]}, "c": "c"}, [])


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "f.yaml:5:4: the document has more than 100,000 nodes"),
        ("- " * 100_000 + "x", "f.yaml:1:129: nested deeper than 64 levels"),
        ("[" * 1_000_000, "f.yaml:1:65: nested deeper than 64 levels"),
        ("{a: " * 100_000, "f.yaml:1:257: nested deeper than 64 levels"),
        ("k: " + "9" * 1_000_000, None),
        ("x" * 4_000_001, "f.yaml:1:1: the file is longer than 4,000,000 characters"),
        ("- x\n" * 110_000, "f.yaml:100000:3: the document has more than 100,000 nodes"),
        ("a: &x [*x]\n", "f.yaml:1:8: '*x' stands inside what it names"),
    ],
    ids=["laughs", "block", "sequence", "mapping", "number", "long", "wide", "circle"],
)
def test_hostile_text_is_refused_in_bounded_time_and_memory(text, message):
    tracemalloc.start()
    began = time.process_time()
    try:
        _, problems = read(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(problems) == 1
    assert message is None or problems == [message]
    assert time.process_time() - began < 8, "seconds, with tracing on"
    assert peak < 150_000_000


def test_a_very_long_key_is_cut_short_in_messages():
    _, problems = read("k" * 5000 + ": 1\n" + "k" * 5000 + ": 2\n")
    assert [len(problem) < 150 for problem in problems] == [True]
