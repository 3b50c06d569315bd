"""A pipe between a process and those it started: when the starter is gone, however it ended, they end too."""

from __future__ import annotations

import os
import signal
import threading
import time

EXIT_ORPHANED = 70
"""What a process ends with that does not stop by itself once its starter is gone."""


class Lifeline:
    """The starter's end. The kernel closes it with the process, `kill -9` included; nothing is ever written to it.

    Attributes:
        fd: the end that is handed to those who are started (`pass_fds`).
    """

    def __init__(self) -> None:
        self.fd, self._held = os.pipe()

    def close(self) -> None:
        """Let go; whoever holds the other end stops."""
        os.close(self._held)
        os.close(self.fd)


def hold_on(fd: int, patience: float) -> None:
    """The other end: once the starter is gone, stop as SIGTERM does, and end at once where that takes too long.

    A thread watches, so that code which blocks the event loop does not keep an orphan alive.

    Args:
        fd: as it was handed over.
        patience: seconds from SIGTERM until the process is ended.
    """
    os.set_inheritable(fd, False)

    def watch() -> None:
        while os.read(fd, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience)
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
