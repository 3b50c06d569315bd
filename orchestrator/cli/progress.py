"""What is known of a run so far, folded from its events; and each event as one line of text. Pure: no terminal here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.cli.quantities import cost_text, duration_text, sum_costs, tokens_text
from orchestrator.domain import event as kinds
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.event import StoredEvent
from orchestrator.domain.identity import NO_ITEM, sha_label


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
            if event.kind in {kinds.STEP_STARTED, kinds.STEP_FINISHED, kinds.STEP_SKIPPED}:
                _fold_step(step, event.kind, event.data, stored.at)
            elif event.kind == kinds.VERDICT:
                _fold_verdict(step, event.item, event.data)
            else:
                _fold_attempt(step, event.kind, event.item, event.data)
        elif event.kind == kinds.RUN_STARTED:
            self.status, self.started_at = "running", stored.at
        elif event.kind == kinds.RUN_CANCEL_REQUESTED:
            self.status = "cancelling"
        elif event.kind == kinds.RUN_FINISHED:
            self.status, self.finished_at = str(event.data.get("status", "finished")), stored.at


def _fold_step(step: StepProgress, kind: str, data: dict[str, Any], at: float) -> None:
    if kind == kinds.STEP_STARTED:
        step.status, step.started_at = "running", at
        step.worker = str(data.get("worker") or "")
        step.total = data.get("items")
        return
    step.finished_at = at
    step.running = 0
    if kind == kinds.STEP_SKIPPED:
        step.status, step.reason = "skipped", str(data.get("reason") or "")
        return
    step.status = str(data.get("status", "succeeded"))
    step.failed_items = int(data.get("items_failed") or 0)
    error = data.get("error")
    step.reason = str(error.get("message", "")) if isinstance(error, dict) else str(error or "")


def _fold_verdict(step: StepProgress, item: int, data: dict[str, Any]) -> None:
    if data.get("passed"):
        step.passed += 1
    else:
        step.rejected += 1
        step.item(item).rejected = True


def _fold_attempt(step: StepProgress, kind: str, item: int, data: dict[str, Any]) -> None:
    work = _is_work(data)
    if kind == kinds.ATTEMPT_QUEUED:
        if work:
            step.attempts += 1
            step.items[item] = ItemProgress()
        else:
            step.item(item).judging += 1
    elif kind == kinds.ATTEMPT_STARTED:
        step.running += 1
    elif kind == kinds.ATTEMPT_FINISHED:
        step.running = max(0, step.running - 1)
        step.input_tokens += int(data.get("input_tokens") or 0)
        step.output_tokens += int(data.get("output_tokens") or 0)
        step.cost = sum_costs([step.cost, data.get("cost_usd")])
        if work:
            step.item(item).succeeded = data.get("status") == "succeeded"
        else:
            step.item(item).judging -= 1


def place(step: str, item: int) -> str:
    """`extract`, or `extract[3]` for an item."""
    return step if item == NO_ITEM else f"{step}[{item}]"


def event_line(stored: StoredEvent) -> str | None:
    """One event as one line for people, or None when it would only be noise."""
    event = stored.event
    line = _LINES.get(event.kind)
    if line is None:
        return None
    text = line(event.data)
    if text is None:
        return None
    return f"{place(event.step, event.item)} {text}" if event.step else text


def _submitted(data: dict[str, Any]) -> str | None:
    """Worth a line only where the definition has changed under its name and version."""
    if not data.get("replaces"):
        return None
    label = f"{data.get('workflow', '')} {data.get('version', '')}"
    return f"{label} is {sha_label(data.get('sha256', ''))} now; it was {sha_label(data['replaces'])}"


def _step_started(data: dict[str, Any]) -> str:
    items = data.get("items")
    return "started" if items is None else f"started: {items} items"


def _verdict(data: dict[str, Any]) -> str:
    said = "passed" if data.get("passed") else f"rejected: {first_line(data.get('message', ''))}"
    return f"verdict {data.get('validator', '')}: {said}"


def _remedy(data: dict[str, Any]) -> str:
    to = data.get("worker") or data.get("model")
    return f"remedy: {data.get('do', '')}" + (f" to {to}" if to else "")


def _queued(data: dict[str, Any]) -> str | None:
    if not data.get("delay"):
        return None
    why = first_line(data.get("why", ""))
    return f"attempt {data.get('number', 1)} waits {duration_text(data['delay'])}" + (f": {why}" if why else "")


def _started(data: dict[str, Any]) -> str | None:
    if not _is_work(data):
        return None
    return f"attempt {data.get('number', 1)} on {data.get('worker', '')}"


def _finished(data: dict[str, Any]) -> str | None:
    if not _is_work(data):
        if data.get("status") == "succeeded":
            return None
        return f"validator {data.get('validator', '')} {data.get('status', 'failed')}{_error_suffix(data)}"
    used = [duration_text(data.get("duration"))]
    tokens = int(data.get("input_tokens") or 0), int(data.get("output_tokens") or 0)
    if any(tokens):
        used += [f"{tokens_text(*tokens)} tokens", cost_text(data.get("cost_usd"))]
    number, status = data.get("number", 1), data.get("status", "ended")
    return f"attempt {number} {status} ({', '.join(used)}){_error_suffix(data)}"


def _log(data: dict[str, Any]) -> str:
    fields = data.get("fields")
    pairs = [f"{name}={value}" for name, value in fields.items()] if isinstance(fields, dict) else []
    return "log: " + first_line(" ".join([str(data.get("message", "")), *pairs]))


def _is_work(data: dict[str, Any]) -> bool:
    return bool(data.get("purpose", Purpose.WORK) == Purpose.WORK)


_LINES: dict[str, Callable[[dict[str, Any]], str | None]] = {
    kinds.RUN_SUBMITTED: _submitted,
    kinds.RUN_STARTED: lambda data: f"run started: {data.get('workflow', '')} {data.get('version', '')}".rstrip(),
    kinds.RUN_CANCEL_REQUESTED: lambda _: "cancel requested",
    kinds.RUN_FINISHED: lambda data: f"run {data.get('status', 'finished')}",
    kinds.STEP_STARTED: _step_started,
    kinds.STEP_FINISHED: lambda data: f"{data.get('status', 'finished')}{_error_suffix(data)}",
    kinds.STEP_SKIPPED: lambda data: f"skipped: {data.get('reason', '')}",
    kinds.ATTEMPT_QUEUED: _queued,
    kinds.ATTEMPT_STARTED: _started,
    kinds.ATTEMPT_FINISHED: _finished,
    kinds.ATTEMPT_LOG: _log,
    kinds.VERDICT: _verdict,
    kinds.REMEDY: _remedy,
}


def _error_suffix(data: dict[str, Any]) -> str:
    error = data.get("error")
    message = error.get("message", "") if isinstance(error, dict) else error
    return f": {first_line(message)}" if message else ""


def first_line(text: Any, length: int = 160) -> str:
    """The first line of a text, cut to `length` characters."""
    line = next((part.strip() for part in str(text).splitlines() if part.strip()), "")
    return line if len(line) <= length else line[: length - 1] + "…"
