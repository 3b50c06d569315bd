"""What counts as the database being away, and how long to wait before the next try."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import asyncpg

from orchestrator.errors import ServiceError

DATABASE_ERRORS: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg says when an idle connection is used in the moment in which the server is ending it.
    asyncpg.InternalClientError,
    ServiceError,
)
"""Refused, lost, restarting, timed out (an OSError) or closed: try again later."""

_SHORTEST: Final = 0.1
_LONGEST: Final = 5.0


def pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling from 0.1 to 5, jittered by half."""
    return min(_LONGEST, _SHORTEST * 2.0 ** min(failures - 1, 16)) * random.uniform(0.5, 1.0)


async def sleep_unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep for `seconds`, or until `event` is set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
