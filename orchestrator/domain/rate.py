"""How often something may begin, everywhere together: `60/m` is once a second, never sixty at once."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
FORM = re.compile(r"([1-9][0-9]{0,5})/([smhd])")
MEANS = "a rate is a whole number for a second, minute, hour or day, such as 5/s, 60/m, 1000/h or 1/d"
PORTION = 0.1
"""Seconds. What may begin more often than that begins in portions of so much time: each claim costs a transaction, and
what came a little late is made up for. What is rarer begins one by one, with at least 1/rate between any two."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` in `period` seconds, evenly: a virtual schedule in the sense of the generic cell rate algorithm (GCRA).

    The schedule is the time at which the next would begin if all came evenly; `ahead` is how far it lies in the future.
    """

    count: int
    period: float

    @classmethod
    def parse(cls, text: object) -> Rate:
        """Read `60/m`.

        Raises:
            ValueError: says what a rate looks like.
        """
        found = FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            shown = f"'{text[:40]}' is no rate: " if isinstance(text, str) else ""
            raise ValueError(shown + MEANS)
        return cls(int(found[1]), PERIODS[found[2]])

    def __str__(self) -> str:
        unit = next(name for name, seconds in PERIODS.items() if seconds == self.period)
        return f"{self.count}/{unit}"

    @property
    def every(self) -> float:
        """Seconds between two."""
        return self.period / self.count

    @property
    def _slack(self) -> float:
        return PORTION if self.every < PORTION else 0.0

    def tokens(self, ahead: float) -> int:
        """How many may begin now.

        Args:
            ahead: seconds by which the schedule is ahead of now; less than zero is zero.
        """
        slack = self._slack - max(0.0, ahead)
        return 0 if slack < 0 else math.floor(slack / self.every + 1e-9) + 1

    def wait(self, ahead: float) -> float:
        """Seconds until the next may begin."""
        return max(0.0, ahead - self._slack)
