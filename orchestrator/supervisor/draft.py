"""What one superstep changes: gathered in memory, and written together with the checkpoint that knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.attempt import AttemptOrder
from orchestrator.domain.budget import Account
from orchestrator.domain.event import Event
from orchestrator.domain.identity import NO_ITEM, AttemptId
from orchestrator.domain.item import ItemState
from orchestrator.domain.payload import Payload, PayloadRef
from orchestrator.domain.reservation import Reservation
from orchestrator.domain.run import Ending, Patch, RunState, RunStatus, StepState, fold
from orchestrator.domain.verdict import Verdict
from orchestrator.store.runs import NewRun
from orchestrator.store.steps import StepRow
from orchestrator.store.superstep import CheckpointWrite, Superstep
from orchestrator.supervisor.context import RunContext
from orchestrator.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Shortage:
    """An attempt of a step does not fit into what is left of the budget: it asks for `needed` at the least."""

    step: str
    needed: Reservation


class Draft:
    """The changes of one superstep over the state that it began with.

    Attributes:
        context: of the run.
        base: the state that it began with.
        steps, items: what became of them.
        agenda, candidates: items and steps that dispatch is to look at now.
        held_up: items for which the budget has no room now, with what they ask for.
        later: steps that it is to look at in a superstep of its own.
        orders, children: attempts to queue, and child runs to begin.
        definitions: workflows of child runs that nobody has stored before: plans.
        revoked: attempts to call back, because nothing waits for them any more; None for all of the run.
        consumed: inbox rows that are folded in.
        status: of the run, where people are to see another.
        ending: what the run has come to, in its last superstep.
    """

    def __init__(self, context: RunContext, state: RunState) -> None:
        self.context = context
        self.base = state
        self.steps: dict[str, StepState] = {}
        self.items: dict[tuple[str, int], ItemState] = {}
        self.agenda: list[tuple[str, int]] = []
        self.candidates: list[str] = []
        self.held_up: dict[tuple[str, int], Shortage] = {}
        self.later: list[str] = []
        self.orders: list[AttemptOrder] = []
        self.children: list[NewRun] = []
        self.definitions: list[Workflow] = []
        self.revoked: list[AttemptId] | None = []
        self.consumed: list[int] = []
        self.status: RunStatus | None = None
        self.ending: Ending | None = None
        self._scalars: dict[str, Any] = {}
        self._state: RunState | None = state
        self._events: list[Event] = []
        self._payloads: dict[str, Payload] = {}
        self._verdicts: list[tuple[AttemptId, Verdict]] = []

    @property
    def account(self) -> Account:
        """What the run may use and has used, as it stands now."""
        account: Account = self._scalars.get("account", self.base.account)
        return account

    @property
    def closing(self) -> bool:
        """Whether the steps have settled, so that `finally` is what is left; no budget of the run bounds it."""
        return self._scalars.get("ending", self.base.ending) is not None

    def state(self) -> RunState:
        """The state as it will be, for expressions that read what this superstep has just changed."""
        if self._state is None:
            self._state = fold(self.base, [self.patch()])
        return self._state

    def step(self, step: str) -> StepState:
        """A step as it stands now."""
        return self.steps.get(step) or self.base.steps[step]

    def item(self, step: str, index: int) -> ItemState:
        """An item as it stands now."""
        return self.items.get((step, index)) or self.base.item(step, index)

    def known_item(self, step: str, index: int) -> ItemState | None:
        """The same, None where it was never started."""
        return self.items.get((step, index)) or self.base.items.get(step, {}).get(index)

    def put_step(self, step: StepState) -> None:
        """Record what became of a step."""
        self._state = None
        self.steps[step.id] = step

    def put_item(self, item: ItemState) -> None:
        """Record what became of an item."""
        self._state = None
        self.items[item.step, item.index] = item

    def put(self, **scalars: Any) -> None:
        """Record other fields of the run's state."""
        self._state = None
        self._scalars |= scalars

    def put_value(self, value: Any) -> PayloadRef:
        """Have a JSON value stored; gives its reference."""
        payload = Payload.of(value)
        self._payloads[payload.ref.sha256] = payload
        self.context.payloads.remember(self.context.tenant, payload, value)
        return payload.ref

    def put_verdicts(self, attempt: AttemptId, given: Sequence[Verdict], item: ItemState) -> None:
        """Record what was said of an attempt's output."""
        for verdict in given:
            self._verdicts.append((attempt, verdict))
            data = {
                "validator": verdict.validator,
                "passed": verdict.passed,
                "message": verdict.message,
                "score": verdict.score,
                "number": item.number,
            }
            key = f"{events.VERDICT}/{attempt}/{verdict.validator}"
            self.say(events.VERDICT, item.step, data, item=item.index, attempt=attempt, key=key)

    def say(
        self,
        kind: str,
        step: str,
        data: dict[str, Any],
        *,
        key: str,
        item: int = NO_ITEM,
        attempt: AttemptId | None = None,
    ) -> None:
        """Record an event; of two with the same `key` the first counts."""
        self._events.append(Event(self.context.run_id, self.context.tenant, kind, step, item, attempt, data, key))

    def withdraw(self) -> None:
        """Take back what was to be sent in this superstep."""
        taken = {order.id for order in self.orders}
        self._events = [event for event in self._events if event.attempt_id not in taken]
        self.orders.clear()
        self.children.clear()

    def patch(self) -> Patch:
        """The changes as they go into the checkpoint."""
        return Patch(steps=tuple(self.steps.values()), items=tuple(self.items.values()), **self._scalars)

    def superstep(self, checkpoints: Sequence[CheckpointWrite]) -> Superstep:
        """The changes as they go into the tables, with the checkpoints that know of them."""
        return Superstep(
            run_id=self.context.run_id,
            tenant=self.context.tenant,
            epoch=self.context.epoch,
            consumed=self.consumed,
            payloads=list(self._payloads.values()),
            orders=self.orders,
            steps=[self._row(step) for step in self.steps.values()],
            verdicts=self._verdicts,
            events=self._events,
            checkpoints=checkpoints,
        )

    def _row(self, step: StepState) -> StepRow:
        spec = self.context.spec(step.id)
        return StepRow(
            run_id=self.context.run_id,
            step=step.id,
            tenant=self.context.tenant,
            position=self.context.positions[step.id],
            kind=spec.kind,
            worker=spec.worker,
            pool=spec.pool,
            status=str(step.status),
            reason=step.reason,
            items_total=step.total,
            items_done=step.done,
            items_failed=step.failed,
            attempts=step.attempts,
            output=step.output.sha256 if step.output else None,
            error=step.error,
            dead=step.dead,
            reused_from=step.reused_from,
            started_at=step.started_at,
            finished_at=step.finished_at,
        )
