"""What the supervisor of a run knew, checkpoint by checkpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from orchestrator.domain.budget import Account
from orchestrator.domain.identity import RunId
from orchestrator.domain.item import ItemState
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.run import Ending, Patch, RunState, StepState, fold
from orchestrator.errors import NotFound
from orchestrator.store import Database, moments
from orchestrator.store.moments import StoredPatch

PAGE = 100
"""Patches that are read at once: so many, and no more, are held in memory."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What one checkpoint of a run added to what was known before.

    Attributes:
        number: of the checkpoint, counted from the run's beginning; not every number is there.
        at: Unix seconds.
        steps, items: those that changed, as they stood then; the last one of a key counts from then on.
        account: what the run might use and had used, None where that did not change.
        ending: what the run came to, once that was known.
        cancelled: the run was to end.
        stopped: why it was to end before its steps were through, other than by a cancel.
    """

    number: int
    at: float
    steps: tuple[StepState, ...] = ()
    items: tuple[ItemState, ...] = ()
    account: Account | None = None
    ending: Ending | None = None
    cancelled: bool = False
    stopped: ErrorInfo | None = None


async def read_history(database: Database, run_id: RunId, *, tenant: str) -> AsyncIterator[Moment]:
    """The moments of a tenant's run, the oldest first. Where the first ones were pruned, one stands for them all."""
    async for stored in _patches(database, run_id, tenant):
        patch = stored.patch
        if patch != Patch():
            yield Moment(
                stored.number,
                stored.at,
                patch.steps,
                patch.items,
                patch.account,
                patch.ending,
                bool(patch.cancelled),
                patch.stopped,
            )


async def state_at(database: Database, run_id: RunId, number: int, *, tenant: str) -> RunState:
    """All that was known of a tenant's run at the checkpoint `number`, or at the last one before it.

    Raises:
        NotFound: nothing is known of that time, or not any more.
    """
    state, page, seen = RunState(), [], False
    async for stored in _patches(database, run_id, tenant):
        if stored.number > number:
            break
        seen = True
        page.append(stored.patch)
        if len(page) == PAGE:
            state, page = fold(state, page), []
    if not seen:
        raise NotFound(f"nothing is known of run {run_id} at checkpoint {number}", remedy="its history begins later")
    return fold(state, page)


async def _patches(database: Database, run_id: RunId, tenant: str) -> AsyncIterator[StoredPatch]:
    after = ""
    oldest = await moments.oldest_state(database, run_id, tenant=tenant)
    if oldest is not None:
        yield oldest
        after = oldest.checkpoint
    while True:
        page = await moments.read_patches(database, run_id, tenant=tenant, after=after, limit=PAGE)
        for stored in page:
            yield stored
        if len(page) < PAGE:
            return
        after = page[-1].checkpoint
