"""JSON as `jsonb` takes it: asyncpg's own codec (text in, text out) is kept, because PgQueuer relies on it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_ESCAPED_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_REPLACEMENT: Final = "\ufffd"


def to_jsonb(value: Any) -> str | None:
    """The text of a plain JSON value for a `jsonb` parameter; None is SQL NULL.

    Postgres stores neither U+0000 nor lone surrogates in text: they become U+FFFD.

    Raises:
        TypeError: the value is not plain JSON.
        ValueError: it holds NaN or an infinity, which JSON does not have.
    """
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if "\\u0000" in text:
        text = _ESCAPED_NUL.sub(rf"\1{_REPLACEMENT}", text)
    return _without_surrogates(text)


def from_jsonb(text: str | None) -> Any:
    """The value of a `jsonb` column as asyncpg gives it; SQL NULL is None."""
    return None if text is None else json.loads(text)


def clean_text(text: str) -> str:
    """Text that a `text` column takes, for messages that come from outside: see `to_jsonb`."""
    return _without_surrogates(text.replace("\0", _REPLACEMENT))


def _without_surrogates(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_REPLACEMENT if "\ud800" <= char <= "\udfff" else char for char in text)
    return text
