"""A payload is a JSON value stored once, by content; everything else carries only its reference."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """Where a JSON value is stored: its SHA-256 (hex) and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Payload:
    """A JSON value in its bytes, with the reference that it will be stored under."""

    ref: PayloadRef
    data: bytes

    @classmethod
    def of(cls, value: Any) -> Payload:
        """Encode a plain JSON value (no blanks, UTF-8, keys in the order in which they were given).

        Raises:
            TypeError: the value is not plain JSON.
            ValueError: it holds NaN or an infinity, which JSON and Postgres do not have.
        """
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode("utf-8", errors="strict")
        return cls(PayloadRef(hashlib.sha256(data).hexdigest(), len(data)), data)


def decode(data: bytes) -> Any:
    """The JSON value of stored bytes."""
    return json.loads(data)
