"""How the commands that run, host or serve are set up: uvloop, where there is one, and a patient garbage collector."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

YOUNG = (50_000, 20, 100)
"""Objects made before the collector looks at the youngest, and how often it looks at the older ones; Python's own 700
make it a fifth of a supervisor's work, which makes many objects and hardly a cycle among them."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, as `asyncio.run` does."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)


def settle_memory() -> None:
    """Never again look at what was made so far, which stays, and seldom at what is made from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*YOUNG)
