"""Keeps this process's hold on its attempts, and stops those that it no longer holds or that were cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection

from orchestrator.domain.identity import AttemptId
from orchestrator.errors import ServiceError
from orchestrator.worker.execution import Execution, StopReason

log = logging.getLogger(__name__)

Renew = Callable[[Collection[AttemptId]], Awaitable[dict[AttemptId, bool]]]

MARGIN = 0.3
"""The last part of a lease is left for user code to stop in: with no renewal by then the attempt is stopped."""

MIN_PAUSE = 0.05
"""Seconds between two renewals at the least, however often a notification asks for one."""


class LeaseKeeper:
    """Renews all leases in one statement, three times a lease, and at once when `nudge` is called.

    Args:
        renew: renews the given attempts; says for each that is still held whether its run is being cancelled.
        lease: seconds.
    """

    def __init__(self, renew: Renew, lease: float) -> None:
        self._renew = renew
        self._lease = lease
        self._held: dict[AttemptId, Execution] = {}
        self._nudged = asyncio.Event()
        self.nudges = 0

    def hold(self, execution: Execution) -> None:
        """Renew this attempt from now on."""
        self._held[execution.claimed.order.id] = execution

    def release(self, execution: Execution) -> None:
        """Renew it no more: its outcome is stored, or never will be."""
        self._held.pop(execution.claimed.order.id, None)

    @property
    def held(self) -> list[Execution]:
        """The attempts that this process holds."""
        return list(self._held.values())

    def nudge(self) -> None:
        """Renew now: some attempt may have been cancelled."""
        self.nudges += 1
        self._nudged.set()

    def lose_all(self) -> None:
        """Stop everything: this process was declared dead, so its attempts are no longer its own."""
        for execution in self.held:
            self._lost(execution, "this process was declared dead")

    async def run(self) -> None:
        """Renew and watch until cancelled, whatever the database answers."""
        pause = self._lease / 3
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), timeout=pause)
            self._nudged.clear()
            renewed = await self.renew_now()
            # A failed renewal is tried again soon: the margin may be all that is left.
            pause = self._lease / 3 if renewed else self._lease / 15
            self._stop_expiring()
            await asyncio.sleep(MIN_PAUSE)

    async def renew_now(self) -> bool:
        """Renew everything held; whether the database answered."""
        held = dict(self._held)
        if not held:
            return True
        before = time.monotonic()
        try:
            state = await asyncio.wait_for(self._renew(list(held)), timeout=self._lease / 4)
        except (ServiceError, TimeoutError, OSError) as error:
            log.warning("%d leases were not renewed: %s", len(held), str(error) or type(error).__name__)
            return False
        except Exception:
            log.exception("%d leases were not renewed", len(held))
            return False
        for attempt_id, execution in held.items():
            if attempt_id not in state:
                self._lost(execution, "its lease ended or its outcome was stored by another")
            else:
                execution.held_until = before + self._lease
                if state[attempt_id]:
                    execution.stop(StopReason.CANCELLED)
        return True

    def _stop_expiring(self) -> None:
        limit = time.monotonic() + self._lease * MARGIN
        for execution in self.held:
            if execution.held_until < limit:
                self._lost(execution, "the lease could not be renewed in time")

    def _lost(self, execution: Execution, why: str) -> None:
        if execution.claimed.order.id not in self._held or execution.reason is StopReason.LOST:
            return
        if execution.stop(StopReason.LOST):
            log.warning("lost %s: %s", execution.label, why)
