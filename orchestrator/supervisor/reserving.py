"""Reserving: an attempt begins only once what it may use is set aside of the budget.

What is held stands in the run's account, and for each attempt in its row: so it is known after a takeover, too. An
attempt that does not fit waits for others to end; it is tried again whenever something has settled. Where no other
holds anything, waiting would not help: then `on_exceed` says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.attempt import AttemptOrder, Purpose
from orchestrator.domain.budget import Account, OnExceed, Spent
from orchestrator.domain.item import ItemState
from orchestrator.domain.outcome import ErrorInfo, OutcomeKind
from orchestrator.domain.reservation import NOTHING, Demand, Reservation, Room
from orchestrator.domain.run import RunStatus
from orchestrator.domain.worker import AGENT_WORKER, HUMAN_WORKER, RUN_WORKER
from orchestrator.errors import BudgetRefused
from orchestrator.store.inbox import InboxRow
from orchestrator.supervisor.demands import demand_of
from orchestrator.supervisor.draft import Draft, Shortage
from orchestrator.workflow import StepSpec

UNLIMITED = Room()


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to begin an attempt.

    Attributes:
        reserved: what is set aside for it.
        allowance: what it may use at the most; None without limit.
        tier: the model that it gets instead of its own, None where it keeps its own.
    """

    reserved: Reservation
    allowance: Room
    tier: str | None = None

    def apply(self, order: AttemptOrder) -> AttemptOrder:
        """The order with what its attempt has to know of it."""
        added: dict[str, Any] = {}
        if self.reserved:
            added["reserved"] = self.reserved.as_json()
        if self.allowance.limited:
            added["allowance"] = {"usd": self.allowance.usd, "tokens": self.allowance.tokens}
        if self.tier is not None:
            added |= {"model": self.tier, "instead_of": order.options.get("model")}
        return replace(order, options={**order.options, **added}) if added else order


async def grant(draft: Draft, spec: StepSpec, item: ItemState, order: AttemptOrder) -> Grant | None:
    """Set aside what an attempt may use. None where it has to wait, which the draft notes.

    Raises:
        BudgetRefused: it can never begin: its step's own budget is too small, or there is no price.
    """
    account = draft.account
    room = UNLIMITED if draft.closing else account.room
    own = spec.budget if order.worker != RUN_WORKER and order.purpose is Purpose.WORK else None
    limit = own.room if own is not None else UNLIMITED
    both = room.tightest(limit)
    if order.worker == HUMAN_WORKER or not both.limited:
        return Grant(NOTHING, UNLIMITED)
    alone = draft.closing or account.reserved.open == 0
    downgrades = OnExceed.DOWNGRADE in {account.budget.on_exceed, own.on_exceed if own is not None else None}
    demand = await demand_of(draft, spec, item, order, tier=order.options.get("model"), room=both)
    found = _taken(demand, room, limit, alone=alone)
    if found is None and alone and downgrades and order.worker == AGENT_WORKER:
        found = await _downgraded(draft, spec, item, order, _Asked(demand, room, limit))
    if found is not None:
        if demand == Demand():
            found = replace(found, allowance=_unspent(draft, limit))
        draft.put(account=replace(account, reserved=account.reserved.opened(found.reserved)))
        return found
    shortage = Shortage(spec.id, demand.least)
    if demand.within(limit) is None and (alone or not downgrades):
        raise BudgetRefused(
            f"an attempt of step {spec.id!r} may use {demand.least.as_text()}, more than the step's budget allows",
            remedy="raise the step's budget, or lower max_tokens, max_turns or the prompt",
        )
    if alone and own is not None and own.on_exceed is OnExceed.FAIL:
        raise BudgetRefused(shortage_text(account, shortage), remedy="raise the budget of the run")
    draft.held_up[item.step, item.index] = shortage
    return None


async def grant_all(
    draft: Draft, spec: StepSpec, item: ItemState, orders: Sequence[AttemptOrder]
) -> list[Grant | None]:
    """The same for several attempts of one item, of which all are given up if one can never begin."""
    before = draft.account
    try:
        return [await grant(draft, spec, item, order) for order in orders]
    except BudgetRefused:
        draft.put(account=before)
        draft.held_up.pop((item.step, item.index), None)
        raise


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for with the step's own model, what the run has left, and the limit that the step has itself."""

    demand: Demand
    room: Room
    limit: Room


def _taken(demand: Demand, room: Room, limit: Room, *, alone: bool) -> Grant | None:
    kept = demand.within(limit)
    if kept is None or not (room.fits(kept) or (alone and room.fits_least(kept))):
        return None
    both = room.tightest(limit)
    share = both.taken(kept)
    allowance = Room(None if both.usd is None else share.usd, None if both.tokens is None else share.tokens)
    return Grant(room.taken(kept), allowance)


def _unspent(draft: Draft, limit: Room) -> Room:
    """What a worker may use of which nobody knows whether it calls models: all that is neither spent nor lost.

    Not less, though others hold a part of it: it would fail for a moment's lack.
    """
    if draft.closing:
        return limit
    reserved = draft.account.reserved
    free = replace(draft.account, reserved=replace(reserved, open=0, held=NOTHING)).room
    usd = None if free.usd is None else max(0.0, free.usd)
    return Room(usd, None if free.tokens is None else max(0, free.tokens)).tightest(limit)


async def _downgraded(
    draft: Draft, spec: StepSpec, item: ItemState, order: AttemptOrder, asked: _Asked
) -> Grant | None:
    """With the dearest of the cheaper models that fits: of the workflow's own tiers, where it has any."""
    context, named = draft.context, draft.context.tariffs.of(order.options.get("model"))
    own = {tier.model for tier in context.workflow.models.values()}
    priced: dict[str, Demand] = {}
    for tariff in context.tariffs.all():
        if spec.tools and tariff.local:
            continue
        with suppress(BudgetRefused):  # no price is known
            priced[tariff.tier] = await demand_of(draft, spec, item, order, tier=tariff.tier, room=Room(usd=0.0))
    price = priced[named.tier].most_usd if named is not None and named.tier in priced else asked.demand.most_usd
    for tier, demand in sorted(priced.items(), key=lambda each: -each[1].most_usd):
        if demand.most_usd >= price or (own and tier not in own):
            continue
        if (found := _taken(demand, asked.room, asked.limit, alone=True)) is not None:
            return replace(found, tier=tier)
    return None


def closed(account: Account, row: InboxRow) -> Account:
    """The account once an attempt has ended: what it used is charged, and what it held is given back.

    What a lost attempt held stays held, because its worker may have used it all, until it says what it used.
    """
    account = account.charged(row.usage)
    if row.settled is None:
        return account
    reserved, held = row.settled.reserved, account.reserved
    if row.late:
        held = held.found(reserved)
    elif row.settled.outcome.kind is OutcomeKind.LOST:
        held = held.missed(reserved)
    else:
        held = held.closed(reserved)
    return replace(account, reserved=held)


def end_shortage(draft: Draft) -> None:
    """Pause or stop the run where something is ready, nothing of it fits, and nothing will be given back."""
    account = draft.account
    if not draft.held_up or account.reserved.open:
        return
    shortage = next(iter(draft.held_up.values()))
    message = shortage_text(account, shortage)
    if account.budget.asks:
        spent = account.spent(draft.base.started_at, draft.context.clock())
        draft.put(account=pause(draft, account, spent, message, shortage.needed))
        draft.status = RunStatus.PAUSED
        return
    draft.withdraw()
    draft.put(stopped=ErrorInfo("budget_exceeded", "budget", message))
    draft.revoked = None


def pause(draft: Draft, account: Account, spent: Spent, reason: str, needed: Reservation = NOTHING) -> Account:
    """Say that the run is paused, and why; gives its account."""
    data = {
        "reason": reason,
        "spent": {"usd": spent.usd, "tokens": spent.tokens, "wall": round(spent.wall, 3)},
        "reserved": account.reserved.all.as_json(),
        "needed": needed.as_json(),
        "budget": account.budget.as_json(),
    }
    after = account.held(draft.context.clock(), needed)
    draft.say(events.RUN_PAUSED, "", data, key=f"{events.RUN_PAUSED}/{after.pauses}")
    return after


def shortage_text(account: Account, shortage: Shortage) -> str:
    """Why an attempt does not fit, for people."""
    lost = account.reserved.lost
    said = []
    if account.budget.usd is not None:
        held = f" and {lost.usd:.4f} held for lost attempts" if lost.usd else ""
        said.append(f"{account.usd:.4f} of {account.budget.usd:g} USD are spent{held}")
    if account.budget.tokens is not None:
        held = f" and {lost.tokens} held for lost attempts" if lost.tokens else ""
        said.append(f"{account.tokens} of {account.budget.tokens} tokens are spent{held}")
    needed = shortage.needed
    return f"the next attempt of step {shortage.step!r} may use {needed.as_text()}, and {', '.join(said)}"
