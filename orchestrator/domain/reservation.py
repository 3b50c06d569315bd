"""What is set aside of a budget before an attempt begins, and given back when it has ended: pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

CENT_FRACTION = 1e-9
"""USD that sums of floating-point numbers may be off by."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """So much of a budget: USD, and tokens read and written together."""

    usd: float = 0.0
    tokens: int = 0

    def __bool__(self) -> bool:
        return self.usd > 0 or self.tokens > 0

    def __add__(self, other: Reservation) -> Reservation:
        return Reservation(self.usd + other.usd, self.tokens + other.tokens)

    def __sub__(self, other: Reservation) -> Reservation:
        return Reservation(max(0.0, self.usd - other.usd), max(0, self.tokens - other.tokens))

    def times(self, count: int) -> Reservation:
        """So many of it."""
        return Reservation(self.usd * count, self.tokens * count)

    def as_text(self) -> str:
        """`0.0102 USD and 340 tokens`, for people."""
        parts = [f"{self.usd:.4f} USD"] if self.usd else []
        return " and ".join([*parts, f"{self.tokens} tokens"] if self.tokens else parts) or "nothing"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON with the keys `usd` and `tokens`."""
        return {"usd": self.usd, "tokens": self.tokens}

    @classmethod
    def from_json(cls, data: dict[str, Any] | None) -> Reservation:
        """The reverse of `as_json`; nothing is reserved where there is no data."""
        return cls() if not data else cls(data["usd"], data["tokens"])


NOTHING = Reservation()


@dataclass(frozen=True, slots=True)
class Room:
    """What may still be reserved; None is without limit."""

    usd: float | None = None
    tokens: int | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self.usd is not None or self.tokens is not None

    def fits(self, wanted: Demand) -> bool:
        """Whether all of a demand's `most` is there."""
        return self._holds(wanted.most_usd, wanted.most_tokens)

    def fits_least(self, wanted: Demand) -> bool:
        """Whether enough is there to begin."""
        return self._holds(wanted.least.usd, wanted.least.tokens)

    def taken(self, wanted: Demand) -> Reservation:
        """The demand's `most`, or all that is there; nothing of what has no limit."""
        usd = 0.0 if self.usd is None else min(wanted.most_usd, self.usd)
        tokens = 0 if self.tokens is None else int(min(wanted.most_tokens, self.tokens))
        return Reservation(max(0.0, usd), max(0, tokens))

    def tightest(self, other: Room) -> Room:
        """The lesser of each."""
        return Room(_least(self.usd, other.usd), _least(self.tokens, other.tokens))

    def _holds(self, usd: float, tokens: float) -> bool:
        # What asks for nothing fits, also where more was used than there is.
        of_usd = self.usd is None or usd <= max(0.0, self.usd) + CENT_FRACTION
        return of_usd and (self.tokens is None or tokens <= max(0, self.tokens))


@dataclass(frozen=True, slots=True)
class Demand:
    """What an attempt asks for before it begins.

    Attributes:
        most_usd, most_tokens: what it may come to use; infinite for all that is left.
        least: what it must have to begin. Where nothing else holds anything, it gets what there is between both.
    """

    most_usd: float = 0.0
    most_tokens: float = 0
    least: Reservation = NOTHING

    @classmethod
    def of(cls, bound: Reservation) -> Demand:
        """Of an attempt whose use has a bound: that, and no less."""
        return cls(bound.usd, bound.tokens, bound)

    def within(self, room: Room) -> Demand | None:
        """The same with its `most` kept to a limit of its own; None where already the `least` is above that."""
        if not room.fits_least(self):
            return None
        usd = self.most_usd if room.usd is None else min(self.most_usd, max(room.usd, self.least.usd))
        tokens = self.most_tokens if room.tokens is None else min(self.most_tokens, room.tokens)
        return Demand(usd, tokens, self.least)


ALL_THAT_IS_LEFT = Demand(math.inf, math.inf, Reservation(0.000001, 1))
"""The demand of a child run, whose use is not known beforehand."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a run's attempts hold.

    Attributes:
        open: attempts that hold something and whose outcome will come.
        held: what those hold together.
        lost: what is held for attempts that were lost: as long as their workers have not said what they used, that
            may be all of it.
    """

    open: int = 0
    held: Reservation = NOTHING
    lost: Reservation = NOTHING

    @property
    def all(self) -> Reservation:
        """What nobody else may have."""
        return self.held + self.lost

    def opened(self, reservation: Reservation) -> Reserved:
        """An attempt was sent that holds so much."""
        return replace(self, open=self.open + 1, held=self.held + reservation) if reservation else self

    def closed(self, reservation: Reservation) -> Reserved:
        """Such an attempt has ended, and what it used is charged."""
        left = max(0, self.open - 1)
        return replace(self, open=left, held=self.held - reservation if left else NOTHING) if reservation else self

    def missed(self, reservation: Reservation) -> Reserved:
        """Such an attempt was lost: what it used is not known."""
        return replace(self.closed(reservation), lost=self.lost + reservation) if reservation else self

    def found(self, reservation: Reservation) -> Reserved:
        """A lost attempt's worker has said what it used after all."""
        return replace(self, lost=self.lost - reservation)


NOTHING_RESERVED = Reserved()


def _least(one: Any, other: Any) -> Any:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)
