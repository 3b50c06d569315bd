"""Values that take long to check or to write as JSON, which is done in a thread so that the event loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

Made = TypeVar("Made")

MANY = 5_000
"""Parts of a value, or thousands of its characters, that are checked and written within a few milliseconds."""


async def beside_the_loop(value: Any, make: Callable[[Any], Made]) -> Made:
    """`make(value)`, in a thread where the value is large."""
    return await asyncio.to_thread(make, value) if is_large(value) else make(value)


def is_large(value: Any) -> bool:
    """Whether a value has many parts or long texts; it is looked at for a millisecond at the most."""
    left, waiting = MANY, [value]
    while waiting and left > 0:
        part = waiting.pop()
        left -= 1
        if isinstance(part, str | bytes | bytearray):
            left -= len(part) // 1_000
        elif isinstance(part, Mapping):
            left -= len(part)
            waiting.extend(list(part.values()) if len(part) < MANY else ())
        elif isinstance(part, list | tuple | set | frozenset):
            left -= len(part)
            waiting.extend(part if len(part) < MANY else ())
        elif isinstance(part, BaseModel):
            waiting.append(part.__dict__)
    return left <= 0
