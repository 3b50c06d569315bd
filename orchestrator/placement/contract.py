"""What a placement can do: have so many processes of a pool, and say which they are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from orchestrator.store.pools import Member


class Placement(Protocol):
    """A place where worker processes are started and stopped; the policy is not its business."""

    def members(self, pool: str) -> Collection[Member]:
        """The pool's processes by host and process id, without those that were told to stop."""
        ...

    def resize(self, pool: str, wanted: int, engaged: Collection[Member] = ()) -> None:
        """Start or stop processes of a pool until so many are there; waits for none of them.

        Those that are `engaged` are not stopped, though there be more than wanted.
        One that is stopped finishes what it holds or hands it back. One that ends unasked is started again.
        """
        ...
