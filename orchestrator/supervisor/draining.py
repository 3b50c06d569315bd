"""Breaking a run off: until nothing of it runs any more, and then every open step has ended."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from orchestrator.domain.run import StepStatus
from orchestrator.store import attempts
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import say_finished

DRAIN_POLL = 0.5
"""Seconds between two looks whether a run that is broken off still has running attempts."""


async def drain(draft: Draft) -> None:
    """Wait until nothing of the run runs or could run; then end its steps, but for `finally`'s."""
    context, run = draft.context, draft.base
    await quiet(context)
    draft.consumed += [row.id for row in await context.inbox.ask(context.run_id)]
    now = context.clock()
    reason = run.stopped.message if run.stopped and not run.cancelled else "the run was cancelled"
    for step in run.steps.values():
        if not (step.settled or step.final):
            ended = replace(step, status=StepStatus.CANCELLED, reason=reason, finished_at=now)
            draft.put_step(ended)
            say_finished(draft, ended)


async def quiet(context: RunContext) -> None:
    """Return once no attempt of the run, nor a child run, runs or could run any more."""
    while True:
        context.wake.clear()
        if await attempts.count_running(context.database, context.run_id) == 0:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(context.wake.wait(), DRAIN_POLL)
