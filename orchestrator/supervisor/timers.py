"""What a run waits for besides its inbox: the ends of `total` timeouts, of `expires`, and of `budget.wall`."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.domain.item import ItemState, Phase
from orchestrator.domain.run import RunState, StepStatus
from orchestrator.supervisor.context import RunContext
from orchestrator.workflow import StepSpec


@dataclass(frozen=True, slots=True)
class Timers:
    """Items whose time is over, and when the next timer ends (Unix seconds); `wall` says that the budget's is over."""

    overdue: tuple[tuple[str, int], ...] = ()
    wall: bool = False
    next: float | None = None

    @property
    def ring(self) -> bool:
        """Whether anything is over."""
        return self.wall or bool(self.overdue)


def read_timers(context: RunContext, run: RunState) -> Timers:
    """How the timers of a run stand."""
    now, over, ends = context.clock(), [], []
    for spec in context.timed_steps:
        if run.steps[spec.id].status is not StepStatus.RUNNING:
            continue
        for item in run.items.get(spec.id, {}).values():
            end = None if run.paused and item.wants_dispatch else ends_at(spec, item)
            if end is not None and end <= now:
                over.append((spec.id, item.index))
            elif end is not None:
                ends.append(end)
    wall = run.account.wall_ends(run.started_at) if run.ending is None and not run.settled_all else None
    if wall is not None and wall > now:
        ends.append(wall)
    return Timers(tuple(over), wall is not None and wall <= now, min(ends, default=None))


def ends_at(spec: StepSpec, item: ItemState) -> float | None:
    """When an item's time is over (Unix seconds): that of a person while one is asked, else the step's `total`."""
    if item.settled:
        return None
    if is_asked(item):
        return None if spec.expires is None else item.asked_at + spec.expires.after
    return None if spec.timeout.total is None else item.ready_at + spec.timeout.total


def is_asked(item: ItemState) -> bool:
    """Whether the item waits for a person."""
    return item.phase is Phase.RUNNING and item.asked_at > 0
