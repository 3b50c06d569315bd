"""What an attempt says while it runs: heartbeats, progress, lines, a model's text; to be written in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python

from orchestrator.domain.event import ATTEMPT_LOG, ATTEMPT_PROGRESS, ATTEMPT_TOOL
from orchestrator.worker.speech import Entry, Speech

MAX_LINES = 200
MAX_LINE = 4_000
MAX_CALLS = 500
MAX_HEARTBEAT = 64_000


@dataclass(slots=True)
class Pulse:
    """What has been said since the last look: `beat` tells whether a heartbeat was sent, with its details."""

    entries: list[Entry] = field(default_factory=list)
    beat: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    progress: float | None = None


class Journal:
    """Collects from any thread; `take` hands over what came since the last time.

    Args:
        clean: applied to every text and field, before anything is cut: redaction.
        max_lines: log lines an attempt; what comes after is counted and dropped.
        speech: joins what its models say; None where nothing of that is to be kept.
    """

    def __init__(
        self,
        clean: Callable[[Any], Any] = lambda value: value,
        *,
        max_lines: int = MAX_LINES,
        speech: Speech | None = None,
    ) -> None:
        self.clean = clean
        self._speech = speech
        self._calls = 0
        self._max_lines = max_lines
        self._lock = threading.Lock()
        self._pulse = Pulse()
        self._latest: Entry | None = None
        self._lines = 0
        self._dropped = 0
        self.last_beat: float | None = None

    @property
    def dirty(self) -> bool:
        """Whether `take` would hand over anything."""
        said = self._speech is not None and self._speech.waits
        return said or self._pulse.beat or self._latest is not None or bool(self._pulse.entries)

    def heartbeat(self, details: Mapping[str, Any]) -> None:
        """Note a sign of life; `details`, redacted, is handed to the next attempt should this one end badly.

        Raises:
            ValueError: the details are larger than 64,000 characters.
        """
        plain = self.clean(plain_json(dict(details)))
        if len(str(plain)) > MAX_HEARTBEAT:
            raise ValueError(f"heartbeat details are larger than {MAX_HEARTBEAT} characters")
        with self._lock:
            self.last_beat = time.monotonic()
            self._pulse.beat = True
            self._pulse.details = plain

    def progress(self, fraction: float, text: str) -> None:
        """Note how far it is; only the latest of a batch is written."""
        data = {"fraction": fraction, "text": self.clean(str(text))[:MAX_LINE]}
        with self._lock:
            self._pulse.progress = fraction
            self._latest = Entry(ATTEMPT_PROGRESS, data)

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        """Note one line, or count it when there have been too many."""
        with self._lock:
            self._lines += 1
            if self._lines > self._max_lines:
                self._dropped += 1
                return
        data = {"level": level, "message": self.clean(str(message))[:MAX_LINE]}
        if fields:
            data["fields"] = _short(self.clean(plain_json(dict(fields))))
        with self._lock:
            self._pulse.entries.append(Entry(ATTEMPT_LOG, data))

    def note(self, level: str, message: str) -> None:
        """A line of the framework's own about the attempt; it does not count among the worker's lines."""
        data = {"level": level, "message": self.clean(message)[:MAX_LINE]}
        with self._lock:
            self._pulse.entries.append(Entry(ATTEMPT_LOG, data))

    def drop(self, lines: int) -> None:
        """Count lines that were dropped before they came here."""
        with self._lock:
            self._dropped += lines

    @property
    def dropped(self) -> int:
        """Lines that were not kept."""
        return self._dropped

    def say(self, piece: str) -> None:
        """Note the next piece of what a model says; from the event loop only."""
        if self._speech is not None:
            self._speech.say(piece)

    def end_turn(self) -> None:
        """Note that the model has said what it had to say; from the event loop only."""
        if self._speech is not None:
            with self._lock:
                self._pulse.entries.extend(self._speech.end_turn())

    def tool(self, data: Mapping[str, Any]) -> None:
        """Note a tool call that is over, already redacted; after 500 of an attempt they are only counted."""
        with self._lock:
            self._calls += 1
            if self._calls <= MAX_CALLS:
                self._pulse.entries.append(Entry(ATTEMPT_TOOL, dict(data)))

    def rest(self) -> None:
        """End the idle timer, until the next heartbeat begins it anew."""
        with self._lock:
            self.last_beat = None

    def take(self, *, last: bool = False) -> Pulse:
        """What has been said since the last call; with `last`, also how many lines were dropped."""
        with self._lock:
            pulse, self._pulse = self._pulse, Pulse()
            latest, self._latest = self._latest, None
        if self._speech is not None:
            pulse.entries.extend(self._speech.end() if last else self._speech.take())
        if latest is not None:
            pulse.entries.append(latest)
        if last and self._dropped:
            message = f"{self._dropped} more log lines were dropped (an attempt keeps {self._max_lines})"
            data = {"level": "warning", "message": message, "dropped": self._dropped}
            pulse.entries.append(Entry(ATTEMPT_LOG, data))
            self._dropped = 0
        if last and self._calls > MAX_CALLS:
            message = f"{self._calls - MAX_CALLS} more tool calls are not among the events"
            pulse.entries.append(Entry(ATTEMPT_LOG, {"level": "warning", "message": message}))
            self._calls = 0
        return pulse


def plain_json(value: Any) -> Any:
    """`value` as plain JSON; what has no JSON form becomes its `str`, NaN and infinities become None."""
    return to_jsonable_python(value, fallback=str, inf_nan_mode="null")


def _short(value: Any) -> Any:
    text = str(value)
    return value if len(text) <= MAX_LINE else {"truncated": text[:MAX_LINE]}
