"""Writes the supersteps of many runs in one transaction: each with its checkpoint, fenced, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.store import Database, attempts, runs
from orchestrator.store.batching import Batcher
from orchestrator.store.runs import RunRow
from orchestrator.store.superstep import CheckpointWrite, Superstep, fence_runs, fenced, write_supersteps
from orchestrator.supervisor.children import begin
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.finish import end_run
from orchestrator.supervisor.signals import Signals
from orchestrator.supervisor.spans import record_run, record_step

if TYPE_CHECKING:
    from orchestrator.store.database import Connection

TOGETHER = 64
"""Supersteps in one transaction at the most."""

AT_ONCE = 1
"""Transactions under way at the most: while one waits for the disk, the next is made."""


@dataclass(slots=True)
class Commit:
    """One run's superstep, and what became of it: the processes to wake, and the run if it has ended."""

    draft: Draft
    superstep: Superstep
    told: list[tuple[ProcessId | None, RunId]] = field(default_factory=list)
    ended: RunRow | None = None


class Commits:
    """Commits supersteps, and tells whoever waits for what they hold."""

    def __init__(self, database: Database, signals: Signals) -> None:
        self._database = database
        self._signals = signals
        self._batches: Batcher[Commit, None] = Batcher(self._write, most=TOGETHER, at_once=AT_ONCE)

    async def commit(self, draft: Draft, checkpoints: Sequence[CheckpointWrite]) -> None:
        """Write a draft with the checkpoints that know of it, together with whatever other runs have just then.

        Raises:
            Fenced: this process owns the run no longer; nothing is written.
            DatabaseUnavailable: nothing is known of what is written; the run must be taken anew.
        """
        commit = Commit(draft, draft.superstep(checkpoints))
        await self._batches.ask(commit)
        self._announce(commit)

    async def _write(self, commits: Sequence[Commit]) -> list[Exception | None]:
        for commit in commits:  # one that was written before, and rolled back with its batch
            commit.told.clear()
        async with self._database.transaction() as connection:
            await self._call_back(connection, commits)
            owned = await write_supersteps(connection, [commit.superstep for commit in commits])
            kept = [commit for commit in commits if commit.superstep.run_id in owned]
            await self._signals.permit(connection, [order for commit in kept for order in commit.draft.orders])
            children = [child for commit in kept for child in commit.draft.children]
            plans = [plan for commit in kept for plan in commit.draft.definitions]
            await begin(connection, children, self._signals, definitions=plans)
            for commit in kept:
                if commit.draft.status is not None:
                    await runs.set_status(connection, commit.superstep.run_id, commit.draft.status)
                if commit.draft.ending is not None:
                    commit.ended, told = await end_run(connection, commit.draft.context.run, commit.draft.ending)
                    commit.told += told
            await self._signals.rouse(connection, [told for commit in kept for told in commit.told])
        return [None if commit.superstep.run_id in owned else fenced(commit.superstep) for commit in commits]

    async def _call_back(self, connection: Connection, commits: Sequence[Commit]) -> None:
        """Cancel attempts that nothing waits for any more, before other rows are locked."""
        calling = [commit for commit in commits if commit.draft.revoked or commit.draft.revoked is None]
        if not calling:
            return
        owners = [(commit.superstep.run_id, commit.superstep.epoch) for commit in calling]
        owned = await fence_runs(connection, owners)
        for commit in calling:
            if (run_id := commit.superstep.run_id) in owned:
                commit.told += await attempts.cancel_attempts(connection, run_id, ids=commit.draft.revoked)

    def _announce(self, commit: Commit) -> None:
        """After the commit: wake pools, supervisors and owners, record spans, and tell of an end."""
        draft, signals = commit.draft, self._signals
        signals.wake_pools(order.pool for order in draft.orders)
        signals.wake_owners(commit.told)
        if draft.children:
            signals.wake_supervisors()
        for step in draft.steps.values():
            record_step(draft.context, step)
        if commit.ended is not None:
            record_run(draft.context, commit.ended)
            signals.finished(commit.ended.id)
