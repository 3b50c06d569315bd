"""What a run may use, and what happens when it has: pure arithmetic over what was settled and what is reserved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from orchestrator.domain.outcome import Usage
from orchestrator.domain.reservation import CENT_FRACTION, NOTHING, NOTHING_RESERVED, Reservation, Reserved, Room

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
"""What a person is asked when a budget is used up, or the next attempt does not fit. The amounts are added to the
limits; without any, each limit that is in the way is raised by what it was at first."""


class OnExceed(StrEnum):
    """What a run does once its budget is used up, or nothing that is ready fits into what is left of it.

    DOWNGRADE takes a cheaper model where one fits, and pauses where none does.
    """

    PAUSE = "pause"
    FAIL = "fail"
    DOWNGRADE = "downgrade"


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
    def asks(self) -> bool:
        """Whether it may come to ask a person."""
        return self.on_exceed is not OnExceed.FAIL

    @property
    def room(self) -> Room:
        """What of it can be reserved: money and tokens."""
        return Room(self.usd, self.tokens)

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
        reserved: what attempts hold that have not ended.
        paused: a limit was reached, and nothing new is begun until a person has answered.
        needed: what the next attempt asks for, where it paused because that does not fit.
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
    reserved: Reserved = NOTHING_RESERVED
    needed: Reservation = NOTHING

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

    @property
    def room(self) -> Room:
        """What may still be reserved."""
        taken = Reservation(self.usd, self.tokens) + self.reserved.all
        return Room(
            None if self.budget.usd is None else self.budget.usd - taken.usd,
            None if self.budget.tokens is None else self.budget.tokens - taken.tokens,
        )

    def held(self, now: float, needed: Reservation = NOTHING) -> Account:
        """Paused, until a person has answered; because of an attempt that asks for `needed`, where it is given."""
        return replace(self, paused=True, pauses=self.pauses + 1, paused_at=now, needed=needed)

    def released(self) -> Account:
        """Paused no more, because nothing is left that could be begun."""
        return replace(self, paused=False)

    def wall_left(self, started_at: float, now: float) -> float | None:
        """Seconds that a child run may take at the most; None without that limit."""
        return None if self.budget.wall is None else self.budget.wall - self.spent(started_at, now).wall

    def continued(self, spent: Spent, more: Budget) -> Account:
        """After a person let it go on with so much `more`; without any, what is in the way gets its first amount again.

        As often as it takes, that is: one attempt may need several times the limit.
        """
        if more.limits:
            raised = self.budget.raised(more.usd or 0.0, more.tokens or 0, more.wall or 0.0)
            return replace(self, budget=raised, paused=False, needed=NOTHING)
        coming = self.needed + self.reserved.all
        now, first = self.budget, self.first
        raised = replace(
            now,
            usd=_above(now.usd, first.usd, spent.usd, coming.usd),
            tokens=_above(now.tokens, first.tokens, spent.tokens, coming.tokens),
            wall=_above(now.wall, first.wall, spent.wall, 0),
        )
        return replace(self, budget=raised, paused=False, needed=NOTHING)


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


def _above(now: Number | None, first: Number | None, used: Number, coming: Number) -> Number | None:
    """A limit that is in the way, raised by as many of its first amounts as it takes.

    To be above what is used, and not below that with what is `coming`.
    """
    if now is None or not first or (used < now and used + coming <= now):
        return now
    steps = max(math.floor((used - now) / first) + 1, math.ceil((used + coming - now) / first - CENT_FRACTION))
    return now + first * steps


def _least(one: Number | None, other: Number | None) -> Number | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)
