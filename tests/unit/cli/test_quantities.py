from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.quantities import between, cost_text, duration_text, plural, sum_costs, tokens_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0 ms"),
        (0.34, "340 ms"),
        (0.9999, "1.0 s"),
        (4.24, "4.2 s"),
        (59.96, "1 m 00 s"),
        (125.4, "2 m 05 s"),
        (3599.7, "1 h 00 m"),
        (3840, "1 h 04 m"),
        (-1.0, "0 ms"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [(None, "-"), (0.0, "$0"), (0.00001, "<$0.0001"), (0.0031, "$0.0031"), (1.239, "$1.24"), (1234.5, "$1,234.50")],
)
def test_costs(usd: float | None, text: str) -> None:
    assert cost_text(usd) == text


def test_an_unknown_cost_is_not_zero() -> None:
    assert sum_costs([None, None]) is None
    assert sum_costs([None, 0.5, 0.25]) == 0.75
    assert sum_costs([]) is None


def test_tokens_and_counts() -> None:
    assert tokens_text(0, 0) == "-"
    assert tokens_text(3412, 812) == "3,412 → 812"
    assert plural(1, "step") == "1 step"
    assert plural(1200, "step") == "1,200 steps"


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_time_never_runs_backwards(start: float, end: float) -> None:
    seconds = between(start, end)
    assert seconds is not None
    assert seconds >= 0
