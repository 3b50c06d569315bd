"""The account between tenants, the rate's schedule and the rooms of gates, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.fairness import LANE, FairAccount
from orchestrator.domain.gate import Gate, GateKind, Passage, Rooms, room_of
from orchestrator.domain.rate import PORTION, Rate


def serve(account: FairAccount, count: int, at_once: int = 1) -> list[str]:
    served = []
    while len(served) < count:
        for turn in account.plan(min(at_once, count - len(served))):
            account.charge(turn.tenant)
            served.append(turn.tenant)
    return served


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.5, 1.0, 2.0, 3.0, 7.0]), min_size=1),
    st.integers(1, 16),
)
def test_every_tenant_has_its_share_at_every_moment(weights, at_once):
    account = FairAccount(weights.__getitem__)
    account.refresh(weights)
    served = serve(account, 300, at_once)
    total = sum(weights.values())
    for moment in range(1, 301):
        for tenant, weight in weights.items():
            due = moment * weight / total
            # Never behind by more than a round of the others, nor ahead by more than one of its own.
            assert abs(served[:moment].count(tenant) - due) <= len(weights) + 1


def test_who_comes_back_has_saved_nothing_up():
    account = FairAccount(lambda _: 1.0)
    account.refresh({"a", "b"})
    serve(account, 10)
    account.refresh({"a"})
    serve(account, 100)
    account.refresh({"a", "b"})
    assert serve(account, 20).count("b") == 10


def test_who_leaves_and_comes_back_gains_nothing():
    account = FairAccount({"a": 1.0, "b": 0.1}.__getitem__)
    account.refresh({"a", "b"})
    served = []
    for _ in range(50):
        served += serve(account, 2)
        account.refresh({"a"})
        account.refresh({"a", "b"})
    assert served.count("b") <= 12


def test_one_turn_in_so_many_goes_to_the_longest_wait():
    account = FairAccount(lambda _: 1.0, phase=lambda: 0)
    account.refresh({"a", "b"})
    turns = account.plan(4 * LANE)
    for tenant in ("a", "b"):
        own = [turn.longest for turn in turns if turn.tenant == tenant]
        assert own == ([False] * (LANE - 1) + [True]) * 2


@pytest.mark.parametrize("text", ["60/m", "5/s", "1000/h", "1/d"])
def test_a_rate_is_read_and_written(text):
    assert str(Rate.parse(text)) == text


@pytest.mark.parametrize("text", ["", "60", "0/s", "1.5/s", "60/min", "-1/s", "60 / m", 60, None, True])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match="such as 5/s, 60/m"):
        Rate.parse(text)


@given(st.integers(1, 500), st.lists(st.floats(0, 0.3), min_size=1, max_size=200))
def test_no_window_of_one_period_has_more_than_its_rate_and_a_portion(count, pauses):
    rate, now, next_at, starts = Rate(count, 1.0), 0.0, 0.0, []
    for pause in pauses:
        now += pause
        tokens = rate.tokens(next_at - now)
        starts += [now] * tokens
        next_at = max(next_at, now) + tokens * rate.every
        assert tokens == 0 or rate.tokens(next_at - now) == 0
    most = count + (PORTION * count if rate.every < PORTION else 0) + 1
    assert all(sum(start <= other < start + 1.0 for other in starts) <= most for start in starts)


def test_the_wait_for_a_rate_is_exact():
    rate = Rate.parse("2/s")
    assert (rate.tokens(0.0), rate.tokens(0.2), rate.wait(0.2)) == (1, 0, 0.2)


def test_rooms_let_through_what_fits_and_no_more():
    pool, worker = Gate(GateKind.POOL, "p", most=5), Gate(GateKind.WORKER, "w", most=2)
    rooms = Rooms({pool: room_of(pool, running=1, ahead=0), worker: room_of(worker, running=0, ahead=0)})
    assert rooms.sure(8) == 2
    rooms.count([Passage("p", "w", "t"), Passage("p", "w", "t")])
    assert (rooms.closed, rooms.sure(8)) == ({worker}, 2)
    rooms.count([Passage("p", "other", "t")] * 2)
    assert rooms.closed == {worker, pool}
