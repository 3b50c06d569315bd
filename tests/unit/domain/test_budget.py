"""What a run may use: limits, charges, rests, and what a person gives it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.budget import NOTHING_LIMITED, Account, Budget, OnExceed, Spent, exceeded
from orchestrator.domain.outcome import Usage

AMOUNTS = st.none() | st.integers(1, 1000).map(float)
BUDGETS = st.builds(Budget, AMOUNTS, st.none() | st.integers(1, 1000), AMOUNTS, st.sampled_from(list(OnExceed)))
SPENT = st.builds(Spent, st.integers(0, 2000).map(float), st.integers(0, 2000), st.integers(0, 2000).map(float))


@pytest.mark.parametrize(
    ("budget", "spent", "said"),
    [
        (Budget(), Spent(9.0, 9, 9.0), ""),
        (Budget(usd=1.5), Spent(usd=1.49), ""),
        (Budget(usd=1.5), Spent(usd=1.5), "1.5000 of 1.5 USD"),
        (Budget(tokens=10), Spent(tokens=12), "12 of 10 tokens"),
        (Budget(wall=2.0), Spent(wall=2.04), "2.0 of 2 seconds"),
        (Budget(1.0, 1, 1.0), Spent(2.0, 2, 2.0), "2.0000 of 1 USD, 2 of 1 tokens, 2.0 of 1 seconds"),
    ],
)
def test_what_is_used_up_is_said(budget: Budget, spent: Spent, said: str):
    assert exceeded(budget, spent) == said


@given(BUDGETS, BUDGETS, SPENT)
def test_the_tightest_of_two_is_used_up_as_soon_as_one_of_them_is(one: Budget, other: Budget, spent: Spent):
    either = bool(exceeded(one, spent) or exceeded(other, spent))
    assert bool(exceeded(one.tightest(other), spent)) is either
    assert one.tightest(other).on_exceed is one.on_exceed


@given(BUDGETS)
def test_a_budget_comes_back_from_json(budget: Budget):
    assert Budget.from_json(budget.as_json()) == budget


@given(BUDGETS, SPENT)
def test_going_on_raises_what_is_used_up_by_as_many_first_amounts_as_it_takes(budget: Budget, spent: Spent):
    account = Account.of(budget).continued(spent, Budget())
    for name in ("usd", "tokens", "wall"):
        first, now, used = getattr(budget, name), getattr(account.budget, name), getattr(spent, name)
        assert now == (None if first is None else first * (used // first + 1))
    assert not account.paused and not exceeded(account.budget, spent)


def test_a_person_may_say_how_much_more():
    account = Account.of(Budget(usd=1.0, tokens=5)).continued(Spent(usd=1.0, tokens=9), Budget(usd=0.5))
    assert (account.budget.usd, account.budget.tokens) == (1.5, 5)


def test_charges_add_up_and_unknown_prices_add_nothing():
    account = Account.of(Budget(usd=1.0))
    for used in (Usage(10, 5, 0.25), Usage(1, 1, None)):
        account = account.charged(used)
    assert account.spent(0.0, 0.0) == Spent(0.25, 17, 0.0)


def test_a_rest_does_not_count_as_wall_time():
    account = Account.of(Budget(wall=10.0))
    assert account.wall_ends(100.0) == 110.0
    account = account.resting(103.0, only_people=True)
    assert account.wall_ends(100.0) is None
    assert account.spent(100.0, 1103.0).wall == 3.0
    account = account.resting(1103.0, only_people=False)
    assert account.wall_ends(100.0) == 1110.0
    assert account.spent(100.0, 1104.0).wall == 4.0


def test_nothing_limited_never_ends():
    assert NOTHING_LIMITED.wall_ends(0.0) is None
    assert not NOTHING_LIMITED.budget.limits
