"""What one superstep changes: gathered in memory, written in one fenced statement, returned as a patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.domain import event as events
from orchestrator.domain.attempt import AttemptOrder
from orchestrator.domain.event import Event
from orchestrator.domain.identity import NO_ITEM, AttemptId
from orchestrator.domain.item import ItemState
from orchestrator.domain.payload import Payload, PayloadRef
from orchestrator.domain.run import Patch, RunState, StepState, fold
from orchestrator.domain.verdict import Verdict
from orchestrator.store.runs import NewRun
from orchestrator.store.steps import StepRow
from orchestrator.store.superstep import Superstep, write_superstep
from orchestrator.supervisor.context import RunContext

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


class Draft:
    """The changes of one superstep over the state that it began with.

    Args:
        context: of the run.
        state: that it began with.
        consumed: inbox rows that the last superstep folded in, to be removed with this one's writes.
    """

    def __init__(self, context: RunContext, state: RunState, *, consumed: Sequence[int] = ()) -> None:
        self.context = context
        self.base = state
        self.consumed = consumed
        self.steps: dict[str, StepState] = {}
        self.items: dict[tuple[str, int], ItemState] = {}
        self.orders: list[AttemptOrder] = []
        self.events: list[Event] = []
        self.children: list[NewRun] = []
        self.later: list[str] = []
        self.revoked: list[AttemptId] = []
        self._payloads: dict[str, Payload] = {}
        self._verdicts: list[tuple[AttemptId, Verdict]] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.consumed or self.steps or self.orders or self.events or self._payloads or self._verdicts)

    def state(self) -> RunState:
        """The state as it will be, for expressions that read what this superstep has just changed."""
        return fold(self.base, [self.patch()]) if self.steps or self.items else self.base

    def step(self, step: str) -> StepState:
        """A step as it stands now."""
        return self.steps.get(step) or self.base.steps[step]

    def item(self, step: str, index: int) -> ItemState:
        """An item as it stands now."""
        return self.items.get((step, index)) or self.base.item(step, index)

    def put_step(self, step: StepState) -> None:
        """Record what became of a step."""
        self.steps[step.id] = step

    def put_item(self, item: ItemState) -> None:
        """Record what became of an item."""
        self.items[item.step, item.index] = item

    def put_off(self, step: str) -> None:
        """Have another look at a step in a superstep of its own, without waiting for anything."""
        self.later.append(step)

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
        """Record an event; `key` makes a repetition after a crash harmless."""
        self.events.append(Event(self.context.run_id, self.context.tenant, kind, step, item, attempt, data, key))

    async def write(self, target: Database | Connection) -> None:
        """Write all of it, by itself or within the caller's transaction.

        Raises:
            Fenced: this process owns the run no longer; nothing is written.
        """
        superstep = Superstep(
            run_id=self.context.run_id,
            tenant=self.context.tenant,
            epoch=self.context.epoch,
            consumed=self.consumed,
            payloads=list(self._payloads.values()),
            orders=self.orders,
            steps=[self._row(step) for step in self.steps.values()],
            verdicts=self._verdicts,
            events=self.events,
        )
        await write_superstep(target, superstep)

    def patch(self, **scalars: Any) -> Patch:
        """The changes as they go into the checkpoint; `scalars` are the patch's other fields."""
        return Patch(steps=tuple(self.steps.values()), items=tuple(self.items.values()), **scalars)

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
            started_at=step.started_at,
            finished_at=step.finished_at,
        )
