"""How many processes a pool should have: grown at once, shrunk after a cool-down, never to and fro."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.scaling import PoolLoad, Scale, ScalingPolicy, rescale, slots_of
from orchestrator.domain.worker import WorkerCard

POLICY = ScalingPolicy(min=0, max=6, slots=4, target_wait=2.0, cool_down=30.0)
DEEP = ScalingPolicy(min=0, max=6, slots=4, target_wait=None, target_depth=2.0)
LATE = 2.5
LOADS = st.builds(
    PoolLoad,
    queued=st.integers(0, 200),
    running=st.integers(0, 40),
    wait=st.floats(0, 60),
    serving=st.integers(0, 10),
)
POLICIES = st.builds(
    ScalingPolicy,
    min=st.integers(0, 3),
    max=st.integers(3, 12),
    slots=st.integers(1, 16),
    target_wait=st.floats(0.1, 10),
    target_depth=st.none() | st.floats(0.1, 10),
    cool_down=st.floats(0, 60),
)


@pytest.mark.parametrize(
    ("policy", "load", "before", "wanted"),
    [
        (POLICY, PoolLoad(), 0, 0),
        (POLICY, PoolLoad(queued=1), 0, 1),  # the first attempt does not wait for the target
        (POLICY, PoolLoad(queued=900), 0, 1),
        (POLICY, PoolLoad(queued=900, wait=LATE), 1, 1),  # the one that was wanted is not up yet
        (POLICY, PoolLoad(queued=900, running=4, wait=LATE, serving=1), 1, 2),
        (POLICY, PoolLoad(queued=900, running=8, wait=LATE, serving=2), 2, 4),
        (POLICY, PoolLoad(queued=900, running=16, wait=LATE, serving=4), 4, 6),  # no further than the most
        (POLICY, PoolLoad(queued=3, running=8, wait=LATE, serving=2), 2, 3),  # no more than have work
        (POLICY, PoolLoad(queued=900, running=8, wait=1.9, serving=2), 2, 2),  # in time
        (POLICY, PoolLoad(queued=900, running=0, wait=LATE, serving=2), 2, 2),  # those that are up take nothing
        (POLICY, PoolLoad(queued=9, running=0, wait=LATE, serving=0), 2, 2),
        (DEEP, PoolLoad(queued=8, running=4, wait=99, serving=1), 1, 1),
        (DEEP, PoolLoad(queued=9, running=4, wait=0.1, serving=1), 1, 2),
        (ScalingPolicy(min=2), PoolLoad(), 0, 2),
        (ScalingPolicy(max=3), PoolLoad(running=99, serving=9), 9, 3),
    ],
)
def test_what_a_load_calls_for(policy: ScalingPolicy, load: PoolLoad, before: int, wanted: int):
    assert rescale(policy, load, Scale(before), now=0.0).wanted == wanted


def test_each_process_goes_a_cool_down_after_it_was_last_needed():
    scale, course = Scale(6), {}
    for now in range(100, 181):
        running = {range(100, 110): 24, range(110, 120): 11, range(120, 130): 4}
        load = PoolLoad(running=next((held for when, held in running.items() if now in when), 0), serving=scale.wanted)
        before, scale = scale.wanted, rescale(POLICY, load, scale, float(now))
        if scale.wanted != before:
            course[now] = scale.wanted
    assert course == {139: 3, 149: 1, 159: 0}


def test_a_burst_in_the_cool_down_begins_it_anew():
    scale = rescale(POLICY, PoolLoad(serving=2), Scale(2), 0.0)
    scale = rescale(POLICY, PoolLoad(running=8, serving=2), scale, 29.0)
    scale = rescale(POLICY, PoolLoad(serving=2), scale, 31.0)
    assert scale.wanted == 2
    assert rescale(POLICY, PoolLoad(serving=2), scale, 58.9).wanted == 2
    assert rescale(POLICY, PoolLoad(serving=2), scale, 59.0).wanted == 0


def test_a_pool_is_not_emptied_while_something_is_queued():
    scale = Scale(1)
    for now in range(0, 300, 10):
        scale = rescale(POLICY, PoolLoad(queued=1, wait=300.0, serving=1), scale, float(now))
        assert scale.wanted == 1


@given(POLICIES, st.lists(st.tuples(LOADS, st.floats(0.1, 20)), max_size=60))
def test_bounds_steps_and_patience_hold_whatever_comes(policy: ScalingPolicy, course: list[tuple[PoolLoad, float]]):
    scale, now, grown = rescale(policy, PoolLoad(), Scale(), 0.0), 0.0, -1e9
    for load, pause in course:
        now += pause
        before, scale = scale, rescale(policy, load, scale, now)
        assert policy.min <= scale.wanted <= policy.max
        assert len(scale.needed) <= policy.max + 1
        if scale.wanted > before.wanted:
            assert scale.wanted <= max(1, 2 * before.wanted)
            assert load.serving >= before.wanted
            grown = now
        if scale.wanted < before.wanted:
            assert now - grown >= policy.cool_down
            assert load.running <= scale.wanted * policy.slots or scale.wanted == policy.max


@given(POLICIES, st.integers(0, 300), st.integers(0, 300))
def test_a_steady_load_is_met_once_and_then_left_alone(policy: ScalingPolicy, active: int, begun_with: int):
    """Work that always keeps so many attempts busy or waiting: after the way up or down there is no change."""
    scale, wanted = Scale(begun_with), []
    for second in range(400):
        serving = scale.wanted
        running = min(active, serving * policy.slots)
        queued = active - running
        load = PoolLoad(queued=queued, running=running, wait=99.0 if queued else 0.0, serving=serving)
        scale = rescale(policy, load, scale, float(second))
        wanted.append(scale.wanted)
    exactly = max(policy.min, min(policy.max, -(-active // policy.slots)))
    assert set(wanted[200:]) == {exactly}
    ways = [after - before for before, after in pairwise(wanted) if after != before]
    assert all(way > 0 for way in ways) or all(way < 0 for way in ways)


@pytest.mark.parametrize(
    ("limits", "slots"), [([], 8), ([2], 2), ([2, 3], 5), ([2, None], 8), ([6, 6], 8), ([None], 8)]
)
def test_slots_are_no_more_than_the_workers_of_the_pool_allow(limits: list[int | None], slots: int):
    cards = [WorkerCard(f"w{at}", pool="p", concurrency=limit) for at, limit in enumerate(limits)]
    assert slots_of("p", [*cards, WorkerCard("other", pool="q", concurrency=1)], 8) == slots
