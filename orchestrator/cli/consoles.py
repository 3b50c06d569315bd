"""The two consoles: results on stdout, progress and messages on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

PLAIN_WIDTH = 140
_SIGNS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n"}
_SIGNS |= {0x7F: "\u2421"} | dict.fromkeys(range(0x80, 0xA0), "\ufffd")


class SafeConsole(Console):
    """Shows control characters as signs (`␛`): what a model or a page says may not steer the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Rich's own segments; none but rich's own control codes reach the terminal."""
        for segment in super().render(renderable, options):
            plain = segment.control or segment.text.isprintable()
            yield segment if plain else Segment(segment.text.translate(_SIGNS), segment.style)


def _width(stream: TextIO) -> int | None:
    """A wide page for files and pipes, which rich would otherwise cut at 80 columns; None for a terminal."""
    if stream.isatty() or os.environ.get("COLUMNS"):
        return None
    return PLAIN_WIDTH


@lru_cache(maxsize=1)
def stdout_console() -> Console:
    """Where results go."""
    return SafeConsole(highlight=False, width=_width(sys.stdout))


@lru_cache(maxsize=1)
def stderr_console() -> Console:
    """Where progress, logs and messages go."""
    return SafeConsole(highlight=False, stderr=True, width=_width(sys.stderr))
