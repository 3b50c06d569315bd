"""The model clients take seconds to import, in which no event loop should stand still."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module

_MODULES = ("client", "structured")
_loaded = threading.Event()


async def load_clients() -> None:
    """Import the model clients in a thread, if that has not been done; whoever imports them after it need not wait.

    While they are half imported in one thread, an import on the event loop would wait for that thread and block the
    loop for as long.
    """
    if not _loaded.is_set():
        await asyncio.to_thread(_load)


def _load() -> None:
    for name in _MODULES:
        import_module(f"{__package__}.{name}")
    _loaded.set()
