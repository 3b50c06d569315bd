"""The plan and the workload are the same for the same seed, and hold what they promise."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import yaml

from tests.chaos.plan import ALL, WEIGHTS, Kind, plan
from tests.chaos.promises import promises
from tests.chaos.workload import FAILING, MIX, child, flood, shapes


def test_a_plan_is_the_same_for_the_same_seed():
    first, again, other = (list(islice(plan(seed, ALL, every=2.0), 50)) for seed in (7, 7, 8))
    assert first == again != other


def test_each_round_of_a_plan_has_every_kind_as_often_as_it_weighs():
    size = sum(WEIGHTS.values())
    made = list(islice(plan(3, ALL, every=1.5), 3 * size))
    for at in range(0, len(made), size):
        assert Counter(each.kind for each in made[at : at + size]) == WEIGHTS
    assert [each.at for each in made] == [1.5 * number for number in range(1, len(made) + 1)]


def test_a_plan_has_only_the_kinds_that_are_wanted():
    assert {each.kind for each in islice(plan(3, [Kind.WORKER], every=1.0), 10)} == {Kind.WORKER}


def test_workflows_are_the_same_for_the_same_seed():
    assert shapes(5, 4) == shapes(5, 4) != shapes(6, 4)


def test_workflows_have_twenty_steps_and_some_must_fail():
    made = shapes(5, 8)
    steps = [yaml.safe_load(shape.text)["steps"] for shape in made]
    failing = [shape.name.endswith(FAILING) for shape in made]
    assert [len(each) for each in steps] == [sum(MIX.values()) + fails for fails in failing]
    assert failing.count(True) == 2
    assert [("broken" in each) for each in steps] == failing
    assert len({shape.name for shape in [*made, child(), flood()]}) == 10


def test_promises_are_queries_with_names():
    found = dict(promises())
    assert len(found) > 20
    assert all("SELECT" in sql and sql.rstrip().endswith(";") for sql in found.values())
