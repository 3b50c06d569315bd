"""Durations as people write them: `2s`, `1m30s`, `500ms`, `1h`, or a number of seconds."""

from __future__ import annotations

import math
import re

SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
FORM = re.compile(rf"(?:{NUMBER}d)?(?:{NUMBER}h)?(?:{NUMBER}m(?!s))?(?:{NUMBER}s)?(?:{NUMBER}ms)?")
LONGEST = 10 * 365 * 86400.0


def parse_duration(value: object) -> float:
    """Seconds from a duration's text or a plain number of seconds.

    Raises:
        ValueError: says what a duration looks like, or which limit it breaks.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a duration is text such as 30s, 1m30s, 500ms or 1h")
    seconds = _from_text(value) if isinstance(value, str) else float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError("a duration cannot be negative or infinite")
    if seconds > LONGEST:
        raise ValueError("a duration cannot be longer than ten years")
    return seconds


def _from_text(text: str) -> float:
    parts = FORM.fullmatch(text) if 0 < len(text) <= 40 else None
    if parts is None:
        raise ValueError(f"'{text[:40]}' is not a duration; write 30s, 1m30s, 500ms or 1h")
    return sum(float(part) * unit for part, unit in zip(parts.groups(), SECONDS.values(), strict=True) if part)
