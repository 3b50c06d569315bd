"""The log file of a started process: bounded in size, and read for the lines that people should see at once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import IO

MOST_BYTES = 10_000_000
"""Of one file; an older one of the same size is kept beside it."""

_TELLING = re.compile(r"^(\d\d:\d\d:\d\d (ERROR|CRITICAL)\b|error\b|fatal\b)", re.IGNORECASE)
_MOST_READ = 1_000_000


class ProcessLog:
    """The process writes to the file itself: it never waits for whoever started it, nor misses it when it is gone.

    Args:
        file: where; it and its folder are made when it is opened.
        most_bytes: what is in it beyond that goes to the file `….1`, in place of what was there.
    """

    def __init__(self, file: Path, most_bytes: int = MOST_BYTES) -> None:
        self.file = file
        self._most_bytes = most_bytes
        self._read = self._size()

    def open(self) -> IO[bytes]:
        """For the process's stdout and stderr. It appends, so that it goes on at the beginning of an emptied file.

        Raises:
            OSError: it cannot be made.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        return self.file.open("ab")

    def errors(self) -> list[str]:
        """The lines written since the last call that say what went wrong; makes room afterwards."""
        told = [line for line in self._fresh() if _TELLING.match(line)]
        if self._size() > self._most_bytes:
            self._make_room()
        return told

    def last_line(self) -> str:
        """The last line that is not empty."""
        if not self._size():
            return ""
        with self.file.open("rb") as log:
            log.seek(max(0, self._size() - 4_000))
            lines = log.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def _fresh(self) -> list[str]:
        size = self._size()
        if size < self._read:  # somebody else made room
            self._read = 0
        if size == self._read:
            return []
        begin = max(self._read, size - _MOST_READ)
        with self.file.open("rb") as log:
            log.seek(begin)
            whole = log.read(size - begin).rpartition(b"\n")[0]
        self._read = begin + len(whole) + 1 if whole else self._read
        return whole.decode(errors="replace").splitlines()

    def _make_room(self) -> None:
        # The process keeps its file open, so this one is emptied: what is written between the two calls is lost.
        with contextlib.suppress(OSError):  # on a full disk the old lines go, so that there is room
            shutil.copyfile(self.file, self.file.with_name(f"{self.file.name}.1"))
        os.truncate(self.file, 0)
        self._read = 0

    def _size(self) -> int:
        try:
            return self.file.stat().st_size
        except OSError:
            return 0
