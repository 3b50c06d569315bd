"""Which steps a fork does again, and what it takes over of the others."""

from __future__ import annotations

import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.fork import REUSABLE, Fork, behind, reusable, reused_item, reused_step, to_retry
from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import OPEN, StepState, StepStatus

SOURCE, OTHER = RunId(uuid.UUID(int=1)), RunId(uuid.UUID(int=2))
REF = PayloadRef("ab" * 32, 12)
DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ()}
ALL_WELL = dict.fromkeys(DIAMOND, StepStatus.SUCCEEDED)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """A workflow's needs: each step needs some of those before it."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 12)))]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=3)) if place else ())
        for place, name in enumerate(names)
    }


@st.composite
def runs(draw: st.DrawFn) -> tuple[dict[str, tuple[str, ...]], dict[str, StepStatus]]:
    """A workflow, and where its steps may stand: whoever has begun has had all that it needs settled."""
    needs, statuses = draw(graphs()), {}
    for step, needed in needs.items():
        if any(statuses[each] not in REUSABLE for each in needed):
            choices = [StepStatus.WAITING, StepStatus.CANCELLED, StepStatus.SKIPPED]
        else:
            choices = list(StepStatus)
        statuses[step] = draw(st.sampled_from(choices))
    return needs, statuses


def test_behind_a_step_is_what_needs_it_also_over_others() -> None:
    assert behind(DIAMOND, ["b"]) == {"b", "d"}
    assert behind(DIAMOND, ["a"]) == {"a", "b", "c", "d"}
    assert behind(DIAMOND, ["d", "e"]) == {"d", "e"}
    assert behind(DIAMOND, []) == frozenset()


def test_a_fork_reuses_everything_else() -> None:
    assert reusable(ALL_WELL, DIAMOND, ["b"]) == ("a", "c", "e")


def test_failed_and_skipped_steps_are_reused_and_open_and_cancelled_ones_are_not() -> None:
    statuses = ALL_WELL | {
        "b": StepStatus.FAILED, "c": StepStatus.SKIPPED, "d": StepStatus.CANCELLED, "e": StepStatus.RUNNING,
    }  # fmt: skip
    assert reusable(statuses, DIAMOND, []) == ("a", "b", "c")


@given(runs(), st.data())
def test_nothing_that_is_done_again_is_reused_and_nothing_else_is_lost(run, data) -> None:
    needs, statuses = run
    step = data.draw(st.sampled_from(list(needs)))
    kept, redone = set(reusable(statuses, needs, [step])), behind(needs, [step])
    assert not kept & redone
    assert kept == {each for each, status in statuses.items() if status in REUSABLE} - redone


@given(runs(), st.data())
def test_what_is_reused_was_made_of_what_is_reused(run, data) -> None:
    needs, statuses = run
    step = data.draw(st.sampled_from(list(needs)))
    kept = set(reusable(statuses, needs, [step]))
    for each in kept:
        if statuses[each] is not StepStatus.SKIPPED:  # which one need alone may decide
            assert set(needs[each]) <= kept


@given(graphs(), st.data())
def test_behind_is_closed_and_grows_with_what_it_is_asked_for(needs, data) -> None:
    some = data.draw(st.sets(st.sampled_from(list(needs))))
    found = behind(needs, some)
    assert some <= found == behind(needs, found)
    assert all(step in found for step, needed in needs.items() if found & set(needed))
    more = data.draw(st.sampled_from(list(needs)))
    assert behind(needs, some | {more}) == found | behind(needs, [more])


@given(runs(), st.data())
def test_a_retry_leaves_nothing_failed_but_what_is_excused(run, data) -> None:
    needs, statuses = run
    excused = data.draw(st.sets(st.sampled_from(list(needs))))
    kept = reusable(statuses, needs, to_retry(statuses, excused))
    assert {each for each in kept if statuses[each] is StepStatus.FAILED} <= excused
    assert not any(statuses[each] in OPEN | {StepStatus.CANCELLED} for each in kept)


def test_a_reused_step_keeps_its_outcome_and_says_where_it_comes_from() -> None:
    error = ErrorInfo("c", "error", "m")
    before = StepState(
        "s", StepStatus.FAILED, "because", attempts=3, output=REF, error=error, started_at=1.0, dead=True
    )
    after = reused_step(before, SOURCE, 9.0)
    assert (after.status, after.output, after.error, after.dead) == (StepStatus.FAILED, REF, error, True)
    assert (after.attempts, after.started_at, after.finished_at) == (0, None, 9.0)
    assert (after.reused_from, after.reason) == (SOURCE, f"reused from run {SOURCE}: because")
    assert reused_step(StepState("s"), SOURCE, 9.0).reason == f"reused from run {SOURCE}"


def test_a_step_that_was_reused_before_names_the_run_that_carried_it_out() -> None:
    once = reused_step(StepState("s", StepStatus.SUCCEEDED), SOURCE, 1.0)
    twice = reused_step(once, OTHER, 2.0)
    assert (twice.reused_from, twice.reason) == (SOURCE, once.reason)


def test_a_reused_item_is_what_an_output_is_put_together_from() -> None:
    item = ItemState(
        "s", 3, Phase.SUCCEEDED, 2, with_=REF, attempt=AttemptId(uuid.UUID(int=3)), output=REF, marked=True
    )
    assert reused_item(item) == ItemState("s", 3, Phase.SUCCEEDED, output=REF, marked=True)


def test_a_fork_comes_back_from_json_and_overlays_only_its_step() -> None:
    fork = Fork(("write",), {"limit": 5})
    assert Fork.from_json(json.loads(json.dumps(fork.as_json()))) == fork
    assert Fork.from_json(Fork(retry=True).as_json()) == Fork(retry=True)
    assert fork.overlay("write") == {"limit": 5}
    assert fork.overlay("read") == {}
