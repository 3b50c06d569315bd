"""A run's budget, held against what it is expected to use and what it may come to use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.domain.budget import Budget
from orchestrator.workflow.figures import Total


@dataclass(frozen=True, slots=True)
class LimitForecast:
    """One limit of a budget.

    Attributes:
        what: which of the budget's limits.
        limit: USD, tokens or seconds.
        expected, worst: whether the expected use, and the worst case, is above the limit; None where it is not known.
    """

    what: Literal["usd", "tokens", "wall"]
    limit: float
    expected: bool | None
    worst: bool | None


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """What a run may use, and whether that will do."""

    budget: Budget
    limits: tuple[LimitForecast, ...]


def budget_forecast(
    budget: Budget | None, *, cost: tuple[Total, Total], seconds: tuple[Total, Total], asks: bool
) -> BudgetForecast | None:
    """Hold a budget against a forecast; None without a budget.

    Args:
        budget: of the run.
        cost: USD, what is expected and the worst case.
        seconds: likewise.
        asks: whether people may be asked; the time in which a run waits for nothing but them does not count.
    """
    if budget is None or not budget.limits:
        return None

    def limits() -> Iterator[LimitForecast]:
        if budget.usd is not None:
            yield LimitForecast("usd", budget.usd, _above(cost[0], budget.usd), _above(cost[1], budget.usd))
        if budget.tokens is not None:
            yield LimitForecast("tokens", budget.tokens, None, None)
        if budget.wall is not None:
            above = [_above(total, budget.wall) for total in seconds]
            yield LimitForecast("wall", budget.wall, *(None if asks and each else each for each in above))

    return BudgetForecast(budget, tuple(limits()))


def _above(total: Total, limit: float) -> bool | None:
    if total.value is not None and total.value > limit:
        return True
    return None if total.whole is None else False
