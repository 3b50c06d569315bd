"""Folding patches, readiness, and how steps end as their items settle."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.progress import PLAIN, Gathering, on_item_settled
from orchestrator.domain.readiness import Readiness, rule
from orchestrator.domain.run import Patch, RunState, RunStatus, StepState, StepStatus, fold, run_status

STEPS = st.builds(StepState, id=st.sampled_from("abc"), status=st.sampled_from(list(StepStatus)))
ITEMS = st.builds(
    ItemState,
    step=st.sampled_from("abc"),
    index=st.integers(-1, 2),
    phase=st.sampled_from(list(Phase)),
    number=st.integers(0, 3),
)
PATCHES = st.builds(
    Patch,
    steps=st.lists(STEPS, max_size=3).map(tuple),
    items=st.lists(ITEMS, max_size=3).map(tuple),
    agenda=st.none() | st.just((("a", 1),)),
    candidates=st.none() | st.just(("b",)),
    cancelled=st.none() | st.booleans(),
)


@given(st.lists(PATCHES, max_size=6), st.lists(PATCHES, max_size=6))
def test_folding_in_batches_equals_folding_at_once(first: list[Patch], second: list[Patch]):
    assert fold(fold(RunState(), first), second) == fold(RunState(), first + second)


@given(st.lists(PATCHES, max_size=6))
def test_settled_counts_the_steps_with_an_outcome(patches: list[Patch]):
    state = fold(RunState(), patches)
    assert state.settled == sum(step.settled for step in state.steps.values())


@given(st.lists(PATCHES, min_size=1, max_size=4))
def test_folding_leaves_the_old_state_alone(patches: list[Patch]):
    before = fold(RunState(), patches[:1])
    copy = (dict(before.steps), {step: dict(items) for step, items in before.items.items()}, before.settled)
    fold(before, patches[1:])
    assert (dict(before.steps), {step: dict(items) for step, items in before.items.items()}, before.settled) == copy


@pytest.mark.parametrize(
    ("needs", "statuses", "expected", "reason"),
    [
        ({}, {}, Readiness.GO, ""),
        ({"a": ["succeeded"]}, {"a": "running"}, Readiness.WAIT, ""),
        ({"a": ["succeeded"]}, {"a": "succeeded"}, Readiness.GO, ""),
        ({"a": ["succeeded"]}, {"a": "failed"}, Readiness.SKIP, "needs a to have succeeded; it failed"),
        ({"a": ["succeeded"]}, {"a": "skipped"}, Readiness.SKIP, "needs a to have succeeded; it was skipped"),
        ({"a": ["succeeded", "skipped"]}, {"a": "skipped"}, Readiness.GO, ""),
        (
            {"a": ["succeeded"], "b": ["succeeded"]},
            {"a": "running", "b": "failed"},
            Readiness.SKIP,
            "needs b to have succeeded; it failed",
        ),
    ],
)
def test_readiness(needs, statuses, expected, reason):
    ruling = rule(needs, {step: StepState(step, StepStatus(status)) for step, status in statuses.items()})
    assert (ruling.readiness, ruling.reason) == (expected, reason)


def settle_all(step: StepState, phases: list[Phase], gathering: Gathering) -> StepState:
    for index, phase in enumerate(phases):
        error = ErrorInfo("boom", "error", f"item {index}") if phase is Phase.FAILED else None
        step = on_item_settled(step, ItemState(step.id, index, phase=phase, error=error), gathering, 1.0)
    return step


OK, BAD = Phase.SUCCEEDED, Phase.FAILED


@pytest.mark.parametrize(
    ("phases", "gathering", "status"),
    [
        ([OK, OK], Gathering(), "succeeded"),
        ([OK, BAD], Gathering(), "failed"),
        ([OK, BAD], Gathering(collect=True), "succeeded"),
        ([OK, BAD], Gathering(collect=True, min_success=0.5), "succeeded"),
        ([OK, BAD], Gathering(collect=True, min_success=0.6), "failed"),
        ([BAD, BAD], Gathering(collect=True), "succeeded"),
        ([OK, Phase.SKIPPED], Gathering(), "succeeded"),
        ([OK, Phase.SKIPPED], Gathering(collect=True, min_success=0.6), "failed"),
    ],
)
def test_a_foreach_is_judged_when_all_items_are_done(phases, gathering, status):
    step = StepState("search", StepStatus.RUNNING, total=len(phases), sent=len(phases))
    assert settle_all(step, phases, gathering).status == status


def test_a_failing_foreach_waits_for_the_items_that_run():
    step = StepState("search", StepStatus.RUNNING, total=5, sent=2)
    step = on_item_settled(step, ItemState("search", 0, phase=BAD, error=ErrorInfo("x", "error", "no")), PLAIN, 1.0)
    assert step.status is StepStatus.RUNNING
    step = on_item_settled(step, ItemState("search", 1, phase=OK), PLAIN, 2.0)
    assert (step.status, step.error.code, step.finished_at) == (StepStatus.FAILED, "x", 2.0)


@pytest.mark.parametrize(
    ("statuses", "excused", "cancelled", "expected"),
    [
        (["succeeded", "skipped"], "", False, RunStatus.SUCCEEDED),
        (["succeeded", "failed"], "", False, RunStatus.FAILED),
        (["succeeded", "failed"], "b", False, RunStatus.SUCCEEDED),
        (["succeeded", "failed"], "", True, RunStatus.CANCELLED),
    ],
)
def test_run_status(statuses, excused, cancelled, expected):
    steps = {
        name: replace(StepState(name), status=StepStatus(status)) for name, status in zip("ab", statuses, strict=True)
    }
    assert run_status(RunState(steps=steps, cancelled=cancelled), frozenset(excused)) is expected
