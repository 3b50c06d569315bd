"""Signals while the program runs: the first asks to stop, the second insists, the third ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.cli.failures import INTERRUPTED


class Interrupts:
    """Counts signals and calls what was given for each: `first` once, then `second` once, then the process ends."""

    def __init__(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        self._actions = [first, second]
        self.count = 0

    def __call__(self) -> None:
        """Take one signal."""
        self.count += 1
        if self.count > len(self._actions):
            os._exit(INTERRUPTED)
        self._actions[self.count - 1]()


@contextmanager
def on_signals(action: Callable[[], None], *signals: signal.Signals) -> Iterator[None]:
    """Call `action` in the running loop for each of the signals, until the block ends."""
    loop = asyncio.get_running_loop()
    for number in signals:
        loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
