"""What a model says while it says it, as events: a few a second at the most, bounded, and with no secret cut in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.event import ATTEMPT_TEXT
from orchestrator.telemetry import Redactor

MAX_TEXT = 64_000
"""Characters of all turns of an attempt that become events; what comes after is counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event to be: its kind and its data (plain JSON)."""

    kind: str
    data: dict[str, Any]


class Speech:
    """Joins the pieces of an attempt's model turns. It belongs to the event loop.

    What may be the first half of a secret waits until the rest of it has come, or the turn is over.

    Args:
        redactors: what they hide is hidden.
        most: characters in all.
    """

    def __init__(self, redactors: Sequence[Redactor] = (), *, most: int = MAX_TEXT) -> None:
        self._redactors = [redactor for redactor in redactors if redactor]
        self._left = most
        self._dropped = 0
        self._text = ""
        self._turn = 1

    @property
    def waits(self) -> bool:
        """Whether there is text that no event has yet."""
        return bool(self._text)

    def say(self, piece: str) -> None:
        """The next piece of this turn."""
        room = self._left - len(self._text)
        self._text += piece[: max(0, room)]
        self._dropped += max(0, len(piece) - max(0, room))

    def take(self) -> list[Entry]:
        """What may be told of this turn so far."""
        return self._entries(self._settled())

    def end_turn(self) -> list[Entry]:
        """The rest of this turn; the next begins. Where the limit has cut it, a secret may be cut, too."""
        rest = self._entries(self._settled() if self._dropped else len(self._text))
        self._text = ""
        self._turn += 1
        return rest

    def end(self) -> list[Entry]:
        """The rest of it all; says how much was left out."""
        rest = self.end_turn()
        if self._dropped:
            rest.append(Entry(ATTEMPT_TEXT, {"turn": self._turn - 1, "text": "", "dropped": self._dropped}))
            self._dropped = 0
        return rest

    def _settled(self) -> int:
        cut = len(self._text)
        while (settled := min((each.settled(self._text[:cut]) for each in self._redactors), default=cut)) < cut:
            cut = settled
        return cut

    def _entries(self, cut: int) -> list[Entry]:
        raw, self._text = self._text[:cut], self._text[cut:]
        if not raw:
            return []
        self._left -= len(raw)
        for redactor in self._redactors:
            raw = redactor.text(raw)
        return [Entry(ATTEMPT_TEXT, {"turn": self._turn, "text": raw})]
