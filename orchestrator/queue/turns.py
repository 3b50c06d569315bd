"""Whose turn it is to look at the queue, where many consumers of one pool all hear the same notification."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

FEW: Final = 4
"""So many consumers all look at once: it costs little, and nobody waits."""

TURN: Final = 0.002
"""Seconds between two consumers' looks, on average: about what a look takes, and what an attempt waits more."""

LONGEST: Final = 0.1
"""Seconds after which the last one looks, however many they are."""


class Turns:
    """Lets a consumer wait for a random moment before it looks, and not look at all once a peer has emptied the queue.

    Notifications come to everybody in the same order, and what they tell of is committed before. So a peer that has
    heard one and then finds the queue empty has seen all that this one and those before it told of. Word that is lost
    costs a look in vain.

    Args:
        crowd: how many consumers wait for the same, this one among them.
        look: makes this one look.
    """

    def __init__(self, crowd: Callable[[], int], look: Callable[[str], None]) -> None:
        self._crowd = crowd
        self._look = look
        self._waiting: asyncio.TimerHandle | None = None
        self.latest = ""

    @property
    def many(self) -> bool:
        """Whether there are so many that they take turns."""
        return self._crowd() > FEW

    def notice(self, payload: str) -> None:
        """Something was put into the queue."""
        self.latest = payload
        if not self.many:
            self.cancel()
            self._look(payload)
        elif self._waiting is None:
            delay = random.uniform(0, min(TURN * self._crowd(), LONGEST))
            self._waiting = asyncio.get_running_loop().call_later(delay, self._now)

    def emptied(self, payload: str) -> None:
        """A peer looked after it had heard `payload`, took something, and left the queue empty."""
        if payload == self.latest:
            self.cancel()

    def cancel(self) -> None:
        """Do not look."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _now(self) -> None:
        self._waiting = None
        self._look(self.latest)
