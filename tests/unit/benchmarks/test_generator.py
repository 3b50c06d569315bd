"""The work that is measured is the same for everybody, and what the figures are compared with is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator import Workflow
from tests.benchmarks.generator import (
    LONGEST_SECONDS,
    LOOK_BACK,
    Step,
    Work,
    chain,
    critical_path,
    fan_out_text,
    layers,
    uneven,
    with_barriers,
    workflow_text,
)

DIAMOND = Work(
    "diamond",
    (Step("a", (), 1.0), Step("b", ("a",), 2.0), Step("c", ("a",), 0.5), Step("d", ("c",), 3.0), Step("e", ("b", "d"))),
)


def test_the_critical_path_is_the_longest_way_through() -> None:
    assert critical_path(DIAMOND) == 1.0 + 0.5 + 3.0
    assert critical_path(Work("none", ())) == 0.0


def test_barriers_add_the_slowest_of_each_round() -> None:
    assert with_barriers(DIAMOND) == 1.0 + 2.0 + 3.0 + 0.0


@given(some.integers(), some.integers(1, 80))
def test_uneven_work_is_as_it_is_described(seed: int, steps: int) -> None:
    work = uneven(seed, steps)
    assert work == uneven(seed, steps)
    assert len(work.steps) == steps
    for at, step in enumerate(work.steps):
        needs = [int(need.removeprefix("s")) for need in step.needs]
        assert len(set(needs)) == len(needs) <= 2
        assert all(at - LOOK_BACK <= need < at for need in needs)
        assert 0 <= step.seconds <= LONGEST_SECONDS
    assert critical_path(work) <= with_barriers(work) + 1e-9


def test_ten_uneven_works_are_about_as_long_as_was_asked_for_and_suffer_from_barriers() -> None:
    works = [uneven(seed) for seed in range(10)]
    seconds = [step.seconds for work in works for step in work.steps]
    assert sum(seconds) / len(seconds) == pytest.approx(0.25, abs=0.05)
    ratios = [with_barriers(work) / critical_path(work) for work in works]
    assert sum(ratios) / len(ratios) > 1.3


def test_layers_have_their_width_and_need_two_of_the_layer_before() -> None:
    work = layers(25, 10)
    assert [len(step.needs) for step in work.steps] == [0] * 10 + [2] * 15
    assert work.steps[10].needs == ("s0", "s1")
    assert work.steps[19].needs == ("s0", "s9")
    assert [step.needs for step in layers(3, 1).steps] == [(), ("s0",), ("s1",)]


@pytest.mark.parametrize("work", [chain(3), layers(20, 10), uneven(1)], ids=lambda work: work.name)
def test_work_is_the_same_as_a_workflow(work: Work) -> None:
    workflow = Workflow.from_yaml(workflow_text(work, "benchmark.sleep"))
    assert list(workflow.steps) == [step.id for step in work.steps]
    assert [sorted(workflow.steps[step.id].needs) for step in work.steps] == [sorted(step.needs) for step in work.steps]


def test_a_fan_out_is_one_step_for_all_items() -> None:
    workflow = Workflow.from_yaml(fan_out_text("benchmark.nothing"))
    assert list(workflow.steps) == ["work"]
    assert workflow.steps["work"].foreach is not None
