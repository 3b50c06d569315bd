"""What a run may use, and what happens when it has: pure arithmetic over what was settled."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from orchestrator.domain.outcome import Usage

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

    def as_json(self) -> dict[str, Any]:
        """Plain JSON with the keys `usd`, `tokens`, `wall`, `on_exceed`."""
        return {"usd": self.usd, "tokens": self.tokens, "wall": self.wall, "on_exceed": str(self.on_exceed)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Budget:
        """The reverse of `as_json`."""
        return cls(data["usd"], data["tokens"], data["wall"], OnExceed(data["on_exceed"]))

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


@dataclass(frozen=True, slots=True)
class Account:
    """What a run may use and what it has used.

    Attributes:
        budget: the limits as they are now; `first` as they were when the run began.
        usd, tokens: of all attempts that have ended.
        rested: seconds in which the run waited for nothing but people, up to `resting_since` (Unix seconds; 0 when it
            does not rest).
        paused: a limit was reached, and nothing new is begun until a person has answered.
        pauses: how many there have been; `paused_at` is when the last one began (Unix seconds).
    """

    budget: Budget = Budget()
    first: Budget = Budget()
    usd: float = 0.0
    tokens: int = 0
    rested: float = 0.0
    resting_since: float = 0.0
    paused: bool = False
    pauses: int = 0
    paused_at: float = 0.0

    @classmethod
    def of(cls, budget: Budget) -> Account:
        """An account of which nothing is used yet."""
        return cls(budget, budget)

    def charged(self, used: Usage) -> Account:
        """After an attempt that used so much. Where no price is known, nothing is added to `usd`."""
        return replace(
            self, usd=self.usd + (used.cost_usd or 0.0), tokens=self.tokens + used.input_tokens + used.output_tokens
        )

    def resting(self, now: float, *, only_people: bool) -> Account:
        """As of `now`, when the run goes on to wait: for nothing but people, or also for something else."""
        rested = self.rested + (now - self.resting_since if self.resting_since else 0.0)
        return replace(self, rested=rested, resting_since=now if only_people else 0.0)

    def spent(self, started_at: float, now: float) -> Spent:
        """What was used by `now` since `started_at`."""
        resting = now - self.resting_since if self.resting_since else 0.0
        return Spent(self.usd, self.tokens, max(0.0, now - started_at - self.rested - resting))

    def wall_ends(self, started_at: float) -> float | None:
        """When `budget.wall` is used up, if nothing rests until then; None without that limit, or while it rests."""
        if self.budget.wall is None or self.resting_since or self.paused:
            return None
        return started_at + self.rested + self.budget.wall

    def held(self, now: float) -> Account:
        """Paused, until a person has answered."""
        return replace(self, paused=True, pauses=self.pauses + 1, paused_at=now)

    def released(self) -> Account:
        """Paused no more, because nothing is left that could be begun."""
        return replace(self, paused=False)

    def left(self, started_at: float, now: float) -> Budget | None:
        """What a child run may use of it at the most; None without a limit."""
        if not self.budget.limits:
            return None
        spent = self.spent(started_at, now)
        return Budget(
            usd=None if self.budget.usd is None else self.budget.usd - spent.usd,
            tokens=None if self.budget.tokens is None else self.budget.tokens - spent.tokens,
            wall=None if self.budget.wall is None else self.budget.wall - spent.wall,
            on_exceed=self.budget.on_exceed,
        )

    def continued(self, spent: Spent, more: Budget) -> Account:
        """After a person let it go on with so much `more`; without any, what is used up gets its first amount again.

        As often as it takes, that is: attempts that ran side by side may have used several times the limit.
        """
        if more.limits:
            raised = self.budget.raised(more.usd or 0.0, more.tokens or 0, more.wall or 0.0)
            return replace(self, budget=raised, paused=False)
        now, first = self.budget, self.first
        raised = replace(
            now,
            usd=_above(now.usd, first.usd, spent.usd),
            tokens=_above(now.tokens, first.tokens, spent.tokens),
            wall=_above(now.wall, first.wall, spent.wall),
        )
        return replace(self, budget=raised, paused=False)


NOTHING_LIMITED = Account()
"""The account of a run without a budget."""


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


def _above(now: Number | None, first: Number | None, used: Number) -> Number | None:
    """A limit that is used up, raised by as many of its first amounts as it takes to be above what is used."""
    if now is None or not first or used < now:
        return now
    return now + first * (math.floor((used - now) / first) + 1)


def _least(one: Number | None, other: Number | None) -> Number | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)
