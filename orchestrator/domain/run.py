"""A run as its supervisor knows it: a value that grows by patches, the last of which wins.

Patches, not the whole, are what each checkpoint stores; folding them is the reducer of a LangGraph `DeltaChannel`,
which asks that folding two batches one after the other equals folding them at once. Replacing by key does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from orchestrator.domain.identity import AttemptId
from orchestrator.domain.item import ItemState
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef


class RunStatus(StrEnum):
    """Where a run stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})


class StepStatus(StrEnum):
    """Where a step stands. The last four are settled; the first three of those are the outcomes of `needs`."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


OPEN = frozenset({StepStatus.WAITING, StepStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class StepState:
    """What the supervisor knows of one step, its items apart.

    Attributes:
        total: the number of items of a `foreach`, None for a step without.
        items: the list that a `foreach` goes over.
        sent, done, failed, skipped: how many items were ever started, have settled, have failed, were skipped.
        output: of a step without `foreach`; a `foreach` is put together from its items when it is read.
        reason: why it was skipped, or why it failed before any attempt.
    """

    id: str
    status: StepStatus = StepStatus.WAITING
    reason: str = ""
    total: int | None = None
    items: PayloadRef | None = None
    sent: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    attempts: int = 0
    output: PayloadRef | None = None
    error: ErrorInfo | None = None
    marked: bool = False
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def settled(self) -> bool:
        """Whether it has an outcome."""
        return self.status not in OPEN


@dataclass(frozen=True, slots=True)
class RunState:
    """All that a supervisor knows of a run.

    Attributes:
        agenda: items that the last settlement left for dispatch.
        candidates: steps for dispatch to look at: a dependency of theirs has settled, or an item of theirs has.
        revoked: attempts that dispatch must call back (their item's total time is over).
        consumed: inbox rows that are folded in, to be deleted once this is durable.
        settled: how many steps have an outcome.
    """

    steps: Mapping[str, StepState] = field(default_factory=dict)
    items: Mapping[str, Mapping[int, ItemState]] = field(default_factory=dict)
    agenda: tuple[tuple[str, int], ...] = ()
    candidates: tuple[str, ...] = ()
    revoked: tuple[AttemptId, ...] = ()
    consumed: tuple[int, ...] = ()
    cancelled: bool = False
    started_at: float = 0.0
    settled: int = 0

    @property
    def over(self) -> bool:
        """Whether every step has an outcome."""
        return self.settled == len(self.steps)

    def item(self, step: str, index: int) -> ItemState:
        """The state of one item.

        Raises:
            KeyError: it was never started.
        """
        return self.items[step][index]


@dataclass(frozen=True, slots=True)
class Patch:
    """What changed in one superstep. None leaves a field as it was."""

    steps: tuple[StepState, ...] = ()
    items: tuple[ItemState, ...] = ()
    agenda: tuple[tuple[str, int], ...] | None = None
    candidates: tuple[str, ...] | None = None
    revoked: tuple[AttemptId, ...] | None = None
    consumed: tuple[int, ...] | None = None
    cancelled: bool | None = None
    started_at: float | None = None


def fold(state: RunState, patches: Sequence[Patch]) -> RunState:
    """The state after `patches`, in their order; `state` itself is left alone."""
    steps = dict(state.steps)
    items: dict[str, Mapping[int, ItemState]] = dict(state.items)
    copied: dict[str, dict[int, ItemState]] = {}
    scalars: dict[str, object] = {}
    settled = state.settled
    for patch in patches:
        for step in patch.steps:
            before = steps.get(step.id)
            settled += step.settled - (before is not None and before.settled)
            steps[step.id] = step
        for item in patch.items:
            if item.step not in copied:
                items[item.step] = copied[item.step] = dict(items.get(item.step, {}))
            copied[item.step][item.index] = item
        for name in ("agenda", "candidates", "revoked", "consumed", "cancelled", "started_at"):
            if (value := getattr(patch, name)) is not None:
                scalars[name] = value
    return replace(state, steps=steps, items=items, settled=settled, **scalars)  # type: ignore[arg-type]  # names above, types alike


def run_status(steps: Mapping[str, StepState], excused: frozenset[str], *, cancelled: bool) -> RunStatus:
    """What the run came to, once every step has settled.

    Args:
        steps: all steps.
        excused: steps that have a dependant which accepts their failure.
        cancelled: a person asked for the end.
    """
    if cancelled:
        return RunStatus.CANCELLED
    broken = any(step.status is StepStatus.FAILED and step.id not in excused for step in steps.values())
    return RunStatus.FAILED if broken else RunStatus.SUCCEEDED
