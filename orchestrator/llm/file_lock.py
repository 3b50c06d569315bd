"""Locks between processes that end with their holder, however it ends: `flock` on a file."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

PAUSE = 0.05


class FileLock:
    """A lock on a file, which is made if it is not there.

    The kernel lets it go when the process dies, so there are no stale locks and no process ids to compare.

    Args:
        path: of the file; its contents do not matter.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, *, shared: bool = False) -> bool:
        """Try to take the lock, without waiting.

        Args:
            shared: others may hold it, too, if they share it.

        Returns:
            Whether it is held now.
        """
        if self._descriptor is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    async def wait(self, *, shared: bool = False) -> None:
        """Take the lock, waiting for it as long as it takes."""
        while not self.take(shared=shared):  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(PAUSE)

    def release(self) -> None:
        """Let it go, if it is held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold the lock of a file within the block; nobody else does meanwhile."""
    lock = FileLock(path)
    await lock.wait()
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether some process holds the lock alone."""
    if not path.exists():
        return False
    probe = FileLock(path)
    if not probe.take(shared=True):
        return True
    probe.release()
    return False
