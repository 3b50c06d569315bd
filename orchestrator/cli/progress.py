"""What is known of a run so far, folded from its events. Pure: no terminal here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.cli.event_lines import is_work
from orchestrator.cli.quantities import SHORT_ID, sum_costs
from orchestrator.cli.statuses import ASKING
from orchestrator.domain import event as kinds
from orchestrator.domain.event import StoredEvent
from orchestrator.domain.worker import HUMAN_WORKER


@dataclass
class ItemProgress:
    """One item (or the whole of a step without `foreach`): may its latest output count as done?"""

    succeeded: bool = False
    rejected: bool = False
    judging: int = 0

    @property
    def done(self) -> bool:
        """Its latest work attempt succeeded, nothing rejected it, and no validator is still at it."""
        return self.succeeded and not self.rejected and self.judging <= 0


@dataclass
class StepProgress:
    """Where one step stands, as far as the events tell."""

    step: str
    status: str = "waiting"
    worker: str = ""
    reason: str = ""
    total: int | None = None
    items: dict[int, ItemProgress] = field(default_factory=dict)
    asking: set[int] = field(default_factory=set)
    iteration: int = 0
    failed_items: int = 0
    attempts: int = 0
    running: int = 0
    passed: int = 0
    rejected: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def shown_status(self) -> str:
        """Its status; `asking` for a running step of which nothing runs but questions to people."""
        return ASKING if self.status == "running" and self.asking and not self.running else self.status

    @property
    def done(self) -> int:
        """How many items are done; all that did not fail once the step has succeeded."""
        if self.status == "succeeded" and self.total is not None:
            return self.total - self.failed_items
        return sum(item.done for item in self.items.values())

    def item(self, index: int) -> ItemProgress:
        """The progress of one item, made on first sight."""
        return self.items.setdefault(index, ItemProgress())


class RunProgress:
    """A run as its events tell it. `apply` folds one event in; everything else is there to be shown."""

    def __init__(self, steps: Sequence[str] = ()) -> None:
        self.steps: dict[str, StepProgress] = {step: StepProgress(step) for step in steps}
        self.status = "queued"
        self.started_at: float | None = None
        self.finished_at: float | None = None

    @property
    def cost(self) -> float | None:
        """What the attempts that ended have cost so far, None where no price is known."""
        return sum_costs([step.cost for step in self.steps.values()])

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens so far."""
        steps = self.steps.values()
        return sum(step.input_tokens for step in steps), sum(step.output_tokens for step in steps)

    @property
    def attempts(self) -> int:
        """Attempts queued so far, validations left out."""
        return sum(step.attempts for step in self.steps.values())

    def apply(self, stored: StoredEvent) -> None:
        """Fold one event in. Kinds that say nothing about progress change nothing."""
        event = stored.event
        if event.step:
            step = self.steps.setdefault(event.step, StepProgress(event.step))
            if event.kind in {kinds.STEP_STARTED, kinds.STEP_FINISHED, kinds.STEP_SKIPPED, kinds.STEP_REUSED}:
                _fold_step(step, event.kind, event.data, stored.at)
            elif event.kind == kinds.VERDICT:
                _fold_verdict(step, event.item, event.data)
            elif event.kind in {kinds.HUMAN_ASKED, kinds.HUMAN_ANSWERED, kinds.HUMAN_EXPIRED}:
                _fold_question(step, event.kind, event.item)
            else:
                _fold_attempt(step, event.kind, event.item, event.data)
        else:
            self._fold_run(event.kind, event.data, stored.at)

    def _fold_run(self, kind: str, data: dict[str, Any], at: float) -> None:
        if kind == kinds.RUN_STARTED:
            self.status, self.started_at = "running", at
        elif kind == kinds.RUN_FINISHED:
            self.status, self.finished_at = str(data.get("status", "finished")), at
        else:
            self.status = _BECOMES.get(kind, self.status)


_BECOMES = {kinds.RUN_CANCEL_REQUESTED: "cancelling", kinds.RUN_PAUSED: "paused", kinds.RUN_RESUMED: "running"}


def _fold_step(step: StepProgress, kind: str, data: dict[str, Any], at: float) -> None:
    if kind == kinds.STEP_STARTED:
        step.status, step.started_at = "running", at
        step.worker = str(data.get("worker") or "")
        step.total = data.get("items")
        return
    step.finished_at = at
    step.running = 0
    step.asking.clear()
    if kind == kinds.STEP_SKIPPED:
        step.status, step.reason = "skipped", str(data.get("reason") or "")
        return
    step.status = str(data.get("status", "succeeded"))
    step.total = data.get("items", step.total)
    step.failed_items = int(data.get("items_failed") or 0)
    error = data.get("error")
    step.reason = str(error.get("message", "")) if isinstance(error, dict) else str(error or "")
    if kind == kinds.STEP_REUSED:
        step.reason = f"reused from run {str(data.get('from', ''))[:SHORT_ID]}"


def _fold_verdict(step: StepProgress, item: int, data: dict[str, Any]) -> None:
    if data.get("passed"):
        step.passed += 1
    else:
        step.rejected += 1
        step.item(item).rejected = True


def _fold_question(step: StepProgress, kind: str, item: int) -> None:
    if kind == kinds.HUMAN_ASKED:
        step.asking.add(item)
        return
    step.asking.discard(item)
    step.item(item).succeeded = kind == kinds.HUMAN_ANSWERED


def _fold_attempt(step: StepProgress, kind: str, item: int, data: dict[str, Any]) -> None:
    work = is_work(data)
    if kind == kinds.ATTEMPT_QUEUED:
        if work:
            step.attempts += 1
            step.items[item] = ItemProgress()
        else:
            step.item(item).judging += 1
    elif kind in {kinds.ATTEMPT_STARTED, kinds.RUN_CHILD_STARTED}:
        step.running += 1
    elif kind == kinds.STEP_ITERATION:
        step.iteration = int(data.get("iteration") or 0)
    elif kind == kinds.ATTEMPT_FINISHED:
        if data.get("worker") == HUMAN_WORKER:
            step.asking.discard(item)
        else:
            step.running = max(0, step.running - 1)
        step.input_tokens += int(data.get("input_tokens") or 0)
        step.output_tokens += int(data.get("output_tokens") or 0)
        step.cost = sum_costs([step.cost, data.get("cost_usd")])
        if work:
            step.item(item).succeeded = data.get("status") == "succeeded"
        else:
            step.item(item).judging -= 1
