"""Hides the values of secrets in everything that is stored, shown or exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORTEST = 4
"""Shorter values are left alone: hiding every "1" would hide everything and protect nothing."""


class Redactor:
    """Replaces secrets in texts, also where they stand inside JSON text or a URL.

    Args:
        secrets: the values; longer ones win where one holds another.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= SHORTEST:
                forms |= _forms(secret)
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if forms else None

    def __bool__(self) -> bool:
        """Whether there is anything to hide."""
        return self._pattern is not None

    def text(self, text: str) -> str:
        """The text with every secret replaced by `[redacted]`."""
        return text if self._pattern is None else self._pattern.sub(REDACTED, text)

    def settled(self, text: str) -> int:
        """How many characters of a text that goes on may be told already, so that no secret is told in two halves."""
        if self._pattern is None:
            return len(text)
        longest = min(len(self._forms[0]) - 1, len(text))
        open_end = next(
            (size for size in range(longest, 0, -1) if any(self._begins(form, text[-size:]) for form in self._forms)), 0
        )
        cut = len(text) - open_end
        return next((found.start() for found in self._pattern.finditer(text) if found.start() < cut < found.end()), cut)

    def value(self, value: Any) -> Any:
        """A JSON-like value with every string in it, keys too, redacted. Nothing is changed in place."""
        if self._pattern is None:
            return value
        return self._walk(value)

    @staticmethod
    def _begins(form: str, end: str) -> bool:
        return len(form) > len(end) and form.startswith(end)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self._walk(key): self._walk(each) for key, each in value.items()}
        if isinstance(value, tuple):
            return tuple(self._walk(each) for each in value)
        if isinstance(value, list):
            return [self._walk(each) for each in value]
        return value


def _forms(secret: str) -> set[str]:
    """The secret as it is, and as JSON text and URLs write it."""
    plain = json.dumps(secret, ensure_ascii=False)[1:-1]
    escaped = json.dumps(secret)[1:-1]
    return {secret, plain, escaped, quote(secret, safe=""), quote(secret), quote_plus(secret)}
