"""The two consoles: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TextIO

from rich.console import Console

PLAIN_WIDTH = 140


def _width(stream: TextIO) -> int | None:
    """A wide page for files and pipes, which rich would otherwise cut at 80 columns; None for a terminal."""
    if stream.isatty() or os.environ.get("COLUMNS"):
        return None
    return PLAIN_WIDTH


@lru_cache(maxsize=1)
def stdout_console() -> Console:
    """Where results go."""
    return Console(highlight=False, width=_width(sys.stdout))


@lru_cache(maxsize=1)
def stderr_console() -> Console:
    """Where progress, logs and messages go."""
    return Console(highlight=False, stderr=True, width=_width(sys.stderr))
