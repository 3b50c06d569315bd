"""What a child process prints: passed on to our standard error, redacted and bounded; its last words are kept."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

MOST = 64_000
"""Bytes of one child that are passed on."""

LAST_WORDS = 4_000
"""Bytes of its end that are kept, to explain a child that died."""

CHUNK = 65_536
PAUSE = 0.005
"""Seconds between two chunks that are only thrown away: whoever floods is slowed down, not the event loop."""


class ChildOutput:
    """Reads a pipe that a child writes to.

    Args:
        clean: redacts secrets.

    Attributes:
        dropped: bytes that were not passed on.
    """

    def __init__(self, clean: Callable[[str], str]) -> None:
        self.dropped = 0
        self._clean = clean
        self._passed = 0
        self._rest = b""
        self._end = b""

    @property
    def last_words(self) -> str:
        """The last lines that it printed, redacted."""
        return self._clean(self._end.decode(errors="replace")).strip()

    async def read(self, descriptor: int) -> None:
        """Read until nobody writes any more.

        Args:
            descriptor: the pipe's reading end; it is closed at the end.
        """
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK)
        pipe = os.fdopen(descriptor, "rb", 0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while chunk := await reader.read(CHUNK):
                self._take(chunk)
                if self.dropped:
                    await asyncio.sleep(PAUSE)
        finally:
            transport.close()
            self._pass_on(self._rest)
            self._rest = b""

    def _take(self, chunk: bytes) -> None:
        self._end = (self._end + chunk)[-LAST_WORDS:]
        if self._passed >= MOST:
            self.dropped += len(chunk)
            return
        # Whole lines, lest a secret be cut in two and not be recognised.
        whole, found, rest = (self._rest + chunk).rpartition(b"\n")
        self._rest = rest[:CHUNK]
        for line in (whole + found).splitlines(keepends=True):
            self._pass_on(line)

    def _pass_on(self, line: bytes) -> None:
        if self._passed >= MOST:
            self.dropped += len(line)
        elif line:
            self._passed += len(line)
            sys.stderr.write(self._clean(line.decode(errors="replace")))
