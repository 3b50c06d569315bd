"""What a run may use, and what happens when it has: pure arithmetic over what was settled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

Number = TypeVar("Number", int, float)


BUDGET_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["decision"],
    "additionalProperties": False,
    "properties": {
        "decision": {"enum": ["continue", "stop"]},
        "usd": {"type": "number", "exclusiveMinimum": 0},
        "tokens": {"type": "integer", "minimum": 1},
        "wall": {"type": "number", "exclusiveMinimum": 0},
    },
}
"""What a person is asked when a budget is used up. The amounts are added to the limits; without any, each limit that is
reached is raised by what it was at first."""


class OnExceed(StrEnum):
    """What a run does once its budget is used up."""

    PAUSE = "pause"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that a run may use: USD, tokens (read and written together), seconds; None is without limit.

    `wall` does not count the time in which the run waits for nothing but people.
    """

    usd: float | None = None
    tokens: int | None = None
    wall: float | None = None
    on_exceed: OnExceed = OnExceed.PAUSE

    @property
    def limits(self) -> bool:
        """Whether there is any limit."""
        return not (self.usd is None and self.tokens is None and self.wall is None)

    def raised(self, usd: float = 0.0, tokens: int = 0, wall: float = 0.0) -> Budget:
        """The same with more of each; what has no limit stays without."""
        return replace(
            self,
            usd=None if self.usd is None else self.usd + usd,
            tokens=None if self.tokens is None else self.tokens + tokens,
            wall=None if self.wall is None else self.wall + wall,
        )

    def tightest(self, other: Budget) -> Budget:
        """The lesser of each limit; what happens then is this one's word."""
        return replace(
            self,
            usd=_least(self.usd, other.usd),
            tokens=_least(self.tokens, other.tokens),
            wall=_least(self.wall, other.wall),
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has used: USD as far as prices are known, tokens, seconds."""

    usd: float = 0.0
    tokens: int = 0
    wall: float = 0.0


def exceeded(budget: Budget, spent: Spent) -> str:
    """Which limits are reached, in words for people; empty where none is."""
    found = []
    if budget.usd is not None and spent.usd >= budget.usd:
        found.append(f"{spent.usd:.4f} of {budget.usd:g} USD")
    if budget.tokens is not None and spent.tokens >= budget.tokens:
        found.append(f"{spent.tokens} of {budget.tokens} tokens")
    if budget.wall is not None and spent.wall >= budget.wall:
        found.append(f"{spent.wall:.1f} of {budget.wall:g} seconds")
    return ", ".join(found)


def _least(one: Number | None, other: Number | None) -> Number | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)
