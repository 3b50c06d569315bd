"""Waves and circles."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.workflow import Workflow, cycle, waves
from orchestrator.workflow.graph import ordered


@pytest.mark.parametrize(
    ("needs", "path"),
    [
        ({}, None),
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, None),
        ({"a": ["b"], "b": ["a"]}, ["a", "b", "a"]),
        ({"z": ["c"], "a": ["b"], "b": ["c"], "c": ["a"]}, ["a", "b", "c", "a"]),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["nowhere"]}, None),
    ],
)
def test_a_circle_is_shown_as_a_path(needs, path):
    assert cycle(needs) == path


GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefx"), max_size=3), max_size=6)


@given(needs=GRAPHS)
def test_either_an_order_or_a_real_circle(needs):
    found, order = cycle(needs), ordered(needs)
    if found is None:
        assert sorted(order) == sorted(needs)
        assert all(order.index(other) < order.index(name) for name in needs for other in needs[name] if other in needs)
    else:
        assert found[0] == found[-1]
        assert all(after in needs[before] for before, after in pairwise(found))


def test_waves_hold_what_can_run_together():
    text = "api: orchestrator/v1\nname: w\nsteps:\n"
    for name, needs in {"d": "[b, c]", "a": "[]", "b": "[a]", "c": "[a]", "e": "[]"}.items():
        text += f"  {name}: {{kind: worker, worker: x, needs: {needs}}}\n"
    assert waves(Workflow.from_yaml(text)) == [["a", "e"], ["b", "c"], ["d"]]
