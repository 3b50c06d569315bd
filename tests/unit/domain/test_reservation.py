"""Reservations: what fits, what is held, and what is given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import Account, Budget, Spent
from orchestrator.domain.outcome import Usage
from orchestrator.domain.reservation import ALL_THAT_IS_LEFT, NOTHING_RESERVED, Demand, Reservation, Reserved, Room
from orchestrator.domain.run import Patch, RunState, fold
from orchestrator.store.state_format import read_patch, write_state

AMOUNTS = st.builds(Reservation, st.integers(0, 50).map(lambda cents: cents / 100), st.integers(0, 500))


@given(st.lists(st.tuples(AMOUNTS, st.sampled_from(["ends", "is lost", "is lost and found"])), max_size=12))
def test_what_was_held_is_given_back_but_for_what_lost_attempts_may_have_used(attempts):
    reserved, lost = NOTHING_RESERVED, Reservation()
    for amount, _ in attempts:
        reserved = reserved.opened(amount)
    assert reserved.open == sum(bool(amount) for amount, _ in attempts)
    for amount, fate in attempts:
        reserved = reserved.closed(amount) if fate == "ends" else reserved.missed(amount)
        reserved = reserved.found(amount) if fate == "is lost and found" else reserved
        lost += amount if fate == "is lost" else Reservation()
    assert (reserved.open, reserved.held) == (0, Reservation())
    assert (reserved.lost.usd, reserved.lost.tokens) == (pytest.approx(lost.usd), lost.tokens)


@given(AMOUNTS, st.builds(Room, st.none() | st.floats(0, 1), st.none() | st.integers(0, 500)))
def test_nothing_is_taken_beyond_the_room(amount, room):
    taken = room.taken(Demand.of(amount))
    assert room.fits(Demand.of(taken))
    assert room.usd is None or taken.usd <= room.usd
    assert (taken.usd == 0) if room.usd is None else True


@pytest.mark.parametrize(
    ("demand", "room", "fits", "begins"),
    [
        (Demand(0.1, 10, Reservation(0.1, 10)), Room(0.1, 10), True, True),
        (Demand(0.3, 10, Reservation(0.1, 10)), Room(0.2, 10), False, True),
        (Demand(0.3, 10, Reservation(0.1, 10)), Room(0.2, 9), False, False),
        (Demand(0.3, 10, Reservation(0.1, 10)), Room(), True, True),
        (ALL_THAT_IS_LEFT, Room(0.2, None), False, True),
        (ALL_THAT_IS_LEFT, Room(0.0, None), False, False),
        (Demand(), Room(0.0, 0), True, True),
    ],
)
def test_what_fits_and_what_may_begin_alone(demand: Demand, room: Room, fits: bool, begins: bool):
    assert (room.fits(demand), room.fits_least(demand)) == (fits, begins)


def test_a_limit_of_its_own_cuts_the_most_and_not_the_least():
    demand = Demand(0.3, 10, Reservation(0.1, 5))
    assert demand.within(Room(usd=0.2)) == Demand(0.2, 10, Reservation(0.1, 5))
    assert demand.within(Room(usd=0.05)) is None


def test_the_account_has_room_for_what_is_neither_spent_nor_held():
    account = Account.of(Budget(usd=1.0, tokens=100)).charged(Usage(10, 5, 0.25))
    account = account.held(1.0, Reservation(0.5, 80))
    reserved = Reserved().opened(Reservation(0.25, 20)).opened(Reservation(0.25, 20)).missed(Reservation(0.25, 20))
    state = RunState(account=Account(account.budget, account.first, 0.25, 15, reserved=reserved))
    assert state.account.room == Room(0.25, 45)
    assert fold(RunState(), [read_patch(write_state(state))]).account == state.account
    assert Patch().account is None


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 300), st.integers(0, 300))
def test_going_on_makes_room_for_what_is_needed(first: int, used: int, held: int, needed: int):
    budget = Budget(tokens=first)
    account = Account(budget, budget, tokens=used, reserved=Reserved(lost=Reservation(0.0, held)))
    after = account.held(1.0, Reservation(0.0, needed)).continued(Spent(tokens=used), Budget())
    assert after.room.tokens is not None and after.room.tokens >= needed
    assert after.budget.tokens is not None and after.budget.tokens > used
    assert (after.budget.tokens - first) % first == 0 and after.needed == Reservation()


def test_what_asks_for_nothing_fits_also_where_too_much_was_used():
    assert Room(usd=-0.01, tokens=-5).fits(Demand())
    assert not Room(usd=-0.01).fits_least(Demand.of(Reservation(0.001)))
