"""A run's budget: what its attempts have used, and what happens when that is too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.domain import event as events
from orchestrator.domain.budget import Account, Budget, Spent, exceeded
from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.run import RunState, RunStatus, StepStatus
from orchestrator.store import inbox
from orchestrator.store.inbox import InboxRow
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.reserving import closed, pause


def open_account(context: RunContext) -> Account | None:
    """The account of a run that begins: the tightest of its workflow's budget and of what its parent gives it."""
    own, given = context.workflow.budget, context.run.budget
    budget = given.tightest(own) if given and own else given or own
    return None if budget is None or not budget.limits else Account.of(budget)


def reckon(draft: Draft, rows: Sequence[InboxRow]) -> None:
    """Charge what the attempts among `rows` used, hear a person's answer, and pause or stop what goes too far."""
    run, account = draft.base, draft.account
    if not account.budget.limits or run.ending is not None:
        return
    for row in rows:
        account = closed(account, row)
    now = draft.context.clock()
    account = account.resting(now, only_people=False)
    spent = account.spent(run.started_at, now)
    answer = next((row for row in rows if row.kind == inbox.ANSWER), None) if account.paused else None
    stops = answer is not None and answer.payload["value"]["decision"] == "stop"
    if answer is not None and not stops:
        account, draft.status = _continued(draft, account, spent, answer), RunStatus.RUNNING
    if account.paused and (stops or draft.state().settled_all):
        account, draft.status = account.released(), RunStatus.RUNNING
    if not (account.paused or stops) and exceeded(account.budget, spent) and not draft.state().settled_all:
        stops = not account.budget.asks
        if not stops:
            account = pause(draft, account, spent, exceeded(account.budget, spent))
            draft.status = RunStatus.PAUSED
    if stops:
        message = f"the budget is used up: {exceeded(account.budget, spent) or 'a person has stopped the run'}"
        draft.put(stopped=ErrorInfo("budget_exceeded", "budget", message))
    draft.put(account=account)


def at_rest(draft: Draft) -> Account | None:
    """The account of a run that is about to wait; None where it does not matter whether it waits for people alone."""
    account = draft.account
    if account.budget.wall is None or draft.base.ending is not None:
        return None
    return account.resting(draft.context.clock(), only_people=_only_people(draft.state()))


def _only_people(run: RunState) -> bool:
    """Whether everything that is under way waits for a person: an answer, or what is held up by a pause."""
    running = [step.id for step in run.steps.values() if step.status is StepStatus.RUNNING]
    open_items = [item for step in running for item in run.items.get(step, {}).values() if not item.settled]
    idle = [item.asked_at > 0 or (run.paused and _held_up(item)) for item in open_items]
    return all(idle) and (bool(idle) or run.paused)


def _held_up(item: ItemState) -> bool:
    """Whether a pause keeps an item from going on, and nothing of it is under way."""
    return item.wants_dispatch and not any(judge.phase is Phase.RUNNING for judge in item.judges)


def _continued(draft: Draft, account: Account, spent: Spent, answer: InboxRow) -> Account:
    value = answer.payload["value"]
    more = Budget(value.get("usd"), value.get("tokens"), value.get("wall"))
    after = account.continued(spent, more)
    data = {"by": answer.payload.get("by"), "budget": after.budget.as_json()}
    _make_up(draft, draft.context.clock() - account.paused_at)
    draft.say(events.RUN_RESUMED, "", data, key=f"{events.RUN_RESUMED}/{after.pauses}")
    return after


def _make_up(draft: Draft, seconds: float) -> None:
    """The time of a pause is not that of the items which it has held up."""
    for step, index in {*draft.base.agenda, *(key for key, item in draft.items.items() if item.wants_dispatch)}:
        item = draft.item(step, index)
        draft.put_item(replace(item, ready_at=item.ready_at + seconds))
