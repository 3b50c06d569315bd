"""A run as its supervisor knows it: a value that grows by patches, the last of which wins.

Patches, not the whole, are what each checkpoint stores; folding them is the reducer of a LangGraph `DeltaChannel`,
which asks that folding two batches one after the other equals folding them at once. Replacing by key does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from orchestrator.domain.budget import NOTHING_LIMITED, Account
from orchestrator.domain.identity import RunId
from orchestrator.domain.item import ItemState
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef


class RunStatus(StrEnum):
    """Where a run stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
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
        final: it belongs to `finally`.
        dead: it failed because all tries of its infrastructure were used up.
        reused_from: the run that carried it out, where this one only took it over.
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
    final: bool = False
    dead: bool = False
    reused_from: RunId | None = None

    @property
    def settled(self) -> bool:
        """Whether it has an outcome."""
        return self.status not in OPEN


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run comes to, once its steps have settled; `finally` sees it and does not change it."""

    status: RunStatus
    output: PayloadRef | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class RunState:
    """All that a supervisor knows of a run.

    Attributes:
        agenda: items for dispatch that a pause holds up.
        candidates: steps for dispatch to look at in a superstep of their own, or after a pause.
        cancelled: a person asked for the end.
        stopped: why the run ends before its steps are through, other than by a cancel.
        account: what it may use and has used.
        ending: set once the steps have settled, where `finally` has steps.
        recalled: attempts were called back, which may still run although nothing waits for them.
        settled, finals, finals_settled: how many steps have an outcome, how many `finally` has, and with an outcome.
    """

    steps: Mapping[str, StepState] = field(default_factory=dict)
    items: Mapping[str, Mapping[int, ItemState]] = field(default_factory=dict)
    agenda: tuple[tuple[str, int], ...] = ()
    candidates: tuple[str, ...] = ()
    cancelled: bool = False
    stopped: ErrorInfo | None = None
    account: Account = NOTHING_LIMITED
    ending: Ending | None = None
    recalled: bool = False
    started_at: float = 0.0
    settled: int = 0
    finals: int = 0
    finals_settled: int = 0

    @property
    def settled_all(self) -> bool:
        """Whether every step has an outcome, those of `finally` apart."""
        return self.settled == len(self.steps) - self.finals

    @property
    def over(self) -> bool:
        """Whether every step has an outcome."""
        return self.settled_all and self.finals_settled == self.finals

    @property
    def breaking_off(self) -> bool:
        """Whether its attempts are to end without a successor: it was cancelled or stopped before it was through."""
        return (self.cancelled or self.stopped is not None) and self.ending is None

    @property
    def paused(self) -> bool:
        """Whether nothing new may be begun until a person has answered; `finally` is not held up."""
        return self.account.paused and self.ending is None

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
    cancelled: bool | None = None
    stopped: ErrorInfo | None = None
    account: Account | None = None
    ending: Ending | None = None
    recalled: bool | None = None
    started_at: float | None = None


SCALARS = (
    "agenda", "candidates", "cancelled", "stopped", "account", "ending", "recalled", "started_at",
)  # fmt: skip
"""Fields of a patch that replace those of the state."""


def fold(state: RunState, patches: Sequence[Patch]) -> RunState:
    """The state after `patches`, in their order; `state` itself is left alone."""
    steps = dict(state.steps)
    items: dict[str, Mapping[int, ItemState]] = dict(state.items)
    copied: dict[str, dict[int, ItemState]] = {}
    scalars: dict[str, object] = {}
    counts = {"settled": state.settled, "finals": state.finals, "finals_settled": state.finals_settled}
    for patch in patches:
        for step in patch.steps:
            before = steps.get(step.id)
            counts["finals_settled" if step.final else "settled"] += step.settled - (
                before is not None and before.settled
            )
            counts["finals"] += step.final and before is None
            steps[step.id] = step
        for item in patch.items:
            if item.step not in copied:
                items[item.step] = copied[item.step] = dict(items.get(item.step, {}))
            copied[item.step][item.index] = item
        for name in SCALARS:
            if (value := getattr(patch, name)) is not None:
                scalars[name] = value
    return replace(state, steps=steps, items=items, **counts, **scalars)  # type: ignore[arg-type]  # names above, types alike


def whole(state: RunState) -> Patch:
    """The patch that gives `state` when it is folded into an empty one."""
    items = tuple(item for items in state.items.values() for item in items.values())
    return Patch(tuple(state.steps.values()), items, **{name: getattr(state, name) for name in SCALARS})


def run_status(run: RunState, excused: frozenset[str]) -> RunStatus:
    """What the run came to, once every step has settled; those of `finally` do not count.

    Args:
        run: its state.
        excused: steps that have a dependant which accepts their failure.
    """
    if run.cancelled:
        return RunStatus.CANCELLED
    if run.stopped is not None:
        return RunStatus.FAILED
    failed = (step.id for step in run.steps.values() if step.status is StepStatus.FAILED and not step.final)
    return RunStatus.SUCCEEDED if excused.issuperset(failed) else RunStatus.FAILED
