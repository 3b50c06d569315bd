"""Parking: a run that waits for people, child runs or far timers alone goes back to its rows and holds nothing here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from langgraph.errors import GraphBubbleUp

from orchestrator.domain.identity import RunId
from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.domain.worker import RUN_WORKER
from orchestrator.store.parking import park_run
from orchestrator.workflow import StepSpec

if TYPE_CHECKING:
    from orchestrator.supervisor.context import RunContext


class Parked(GraphBubbleUp):
    """The run waits in its rows alone. LangGraph lets this class of exception pass, and writes nothing for it."""


class Parking:
    """When the runs of one process are parked: after a while, and at once while others wait for room.

    A run that waits for its children holds room that they may need, so that a full process would stand still without
    the latter.

    Args:
        after: seconds that a run waits before it is parked.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._sought = 0
        self._waiting: dict[RunId, asyncio.Event] = {}

    @property
    def patience(self) -> float:
        """Seconds for which a run that could be parked stays."""
        return 0.0 if self._sought else self._after

    @contextmanager
    def seeking_room(self) -> Iterator[None]:
        """While the block lasts, runs that can be parked make room."""
        self._sought += 1
        self.make_room()
        try:
            yield
        finally:
            self._sought -= 1

    def make_room(self) -> None:
        """Have as many runs parked as are waited for, those that have waited longest first."""
        for run_id in list(self._waiting)[: self._sought]:
            self._waiting.pop(run_id).set()

    @contextmanager
    def may_leave(self, run_id: RunId, wake: asyncio.Event) -> Iterator[None]:
        """While the block lasts, the run can be parked; `wake` is set when it is asked to."""
        self._waiting[run_id] = wake
        try:
            yield
        finally:
            self._waiting.pop(run_id, None)


async def rest(context: RunContext, run: RunState, until: float | None) -> None:
    """Sleep until the run is woken, or until its next timer ends; where that may take long, park it.

    Args:
        context: of the run.
        run: its state.
        until: when its next timer ends (Unix seconds), None where it has none.

    Raises:
        Parked: nothing of the run may stay here.
        Fenced: this process owns the run no longer.
    """
    left = None if until is None else max(0.0, until - context.clock())
    patience = context.parking.patience
    if not waits_long(context, run) or (left is not None and left <= patience):
        await _woken(context.wake, left)
        return
    with context.parking.may_leave(context.run_id, context.wake):
        if await _woken(context.wake, patience):
            return
    if await park_run(context.database, context.run_id, context.epoch, until):
        raise Parked
    context.wake.set()  # something came in that moment


def waits_long(context: RunContext, run: RunState) -> bool:
    """Whether no worker has anything to do for the run: it waits for people and child runs, if for anything."""
    for step in run.steps.values():
        if step.status is not StepStatus.RUNNING:
            continue
        spec = context.spec(step.id)
        # The last items first: of a long `foreach` the first ones have settled.
        for item in reversed([*run.items.get(step.id, {}).values()]):
            if not (item.settled or _waits_long(run, spec, item)):
                return False
    return True


def _waits_long(run: RunState, spec: StepSpec, item: ItemState) -> bool:
    if item.phase is Phase.RUNNING:
        return item.asked_at > 0 or (item.worker or spec.worker) == RUN_WORKER
    held_up = item.wants_dispatch and not any(judge.phase is Phase.RUNNING for judge in item.judges)
    return held_up and (run.paused or (item.step, item.index) in run.agenda)


async def _woken(wake: asyncio.Event, seconds: float | None) -> bool:
    try:
        await asyncio.wait_for(wake.wait(), seconds)
    except TimeoutError:
        return False
    return True
