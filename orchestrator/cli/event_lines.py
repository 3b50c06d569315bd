"""Each event of a run as one line of text for people. Pure: no terminal here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.cli.quantities import SHORT_ID, cost_text, duration_text, tokens_text
from orchestrator.domain import event as kinds
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.event import StoredEvent
from orchestrator.domain.fork import Fork
from orchestrator.domain.identity import NO_ITEM, sha_label
from orchestrator.domain.worker import RUN_WORKER

_MOST_NAMED = 5


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
    """Worth a line only where the definition has changed under its name and version, or for a fork."""
    if data.get("forked_from"):
        return fork_text(data["forked_from"], Fork.from_json(data["fork"]))
    if not data.get("replaces"):
        return None
    label = f"{data.get('workflow', '')} {data.get('version', '')}"
    return f"{label} is {sha_label(data.get('sha256', ''))} now; it was {sha_label(data['replaces'])}"


def fork_text(source: object, fork: Fork) -> str:
    """Where a run comes from: `forked from run 0199… at step write, with limit, topic`."""
    named = ", ".join(fork.steps[:_MOST_NAMED]) + (", …" if len(fork.steps) > _MOST_NAMED else "")
    text = f"{'retry of' if fork.retry else 'forked from'} run {source}"
    if named:
        text += f" at {'step' if len(fork.steps) == 1 else 'steps'} {named}"
    return text + (f", with {', '.join(fork.with_)}" if fork.with_ else "")


def _reused(data: dict[str, Any]) -> str:
    return f"{data.get('status', 'settled')}, reused from run {str(data.get('from', ''))[:SHORT_ID]}"


def _step_started(data: dict[str, Any]) -> str:
    items = data.get("items")
    return "started" if items is None else f"started: {items} items"


def _verdict(data: dict[str, Any]) -> str:
    score = "" if data.get("score") is None else f" (score {data['score']:.2g})"
    said = f"passed{score}" if data.get("passed") else f"rejected: {first_line(data.get('message', ''))}"
    return f"verdict {data.get('validator', '')}: {said}"


def _remedy(data: dict[str, Any]) -> str:
    to = data.get("worker") or data.get("model")
    return f"remedy: {data.get('do', '')}" + (f" to {to}" if to else "")


def _queued(data: dict[str, Any]) -> str | None:
    if data.get("instead_of"):
        return (
            f"attempt {data.get('number', 1)} gets {data.get('model', '')} instead of {data['instead_of']}: the budget"
        )
    if not data.get("delay"):
        return None
    why = first_line(data.get("why", ""))
    return f"attempt {data.get('number', 1)} waits {duration_text(data['delay'])}" + (f": {why}" if why else "")


def _started(data: dict[str, Any]) -> str | None:
    if not is_work(data):
        return None
    return f"attempt {data.get('number', 1)} on {data.get('worker', '')}"


def _finished(data: dict[str, Any]) -> str | None:
    if not is_work(data):
        if data.get("status") == "succeeded":
            return None
        return f"validator {data.get('validator', '')} {data.get('status', 'failed')}{_error_suffix(data)}"
    used = [duration_text(data.get("duration"))]
    tokens = int(data.get("input_tokens") or 0), int(data.get("output_tokens") or 0)
    if any(tokens):
        used += [f"{tokens_text(*tokens)} tokens", cost_text(data.get("cost_usd"))]
    number, status = data.get("number", 1), data.get("status", "ended")
    what = "its run" if data.get("worker") == RUN_WORKER else f"attempt {number}"
    return f"{what} {status} ({', '.join(used)}){_error_suffix(data)}"


def _asked(data: dict[str, Any]) -> str:
    return f"asks {data.get('assignee') or 'a person'}"


def _answered(data: dict[str, Any]) -> str:
    value = data.get("value")
    decision = value.get("decision") if isinstance(value, dict) else None
    return f"answered by {data.get('by') or 'somebody'}" + (f": {decision}" if decision else "")


def _plan_made(data: dict[str, Any]) -> str:
    steps = ", ".join(f"{step['id']} ({step['worker']})" for step in data.get("steps", ()))
    why = f" because {first_line(data['why'])}" if data.get("why") else ""
    return f"planned by {data.get('planned_by', '')}{why}: {steps}"


def _iteration(data: dict[str, Any]) -> str:
    return f"iteration {data.get('iteration', '')}: until is {'true' if data.get('until') else 'not true yet'}"


def _log(data: dict[str, Any]) -> str:
    fields = data.get("fields")
    pairs = [f"{name}={value}" for name, value in fields.items()] if isinstance(fields, dict) else []
    return "log: " + first_line(" ".join([str(data.get("message", "")), *pairs]))


def _tool(data: dict[str, Any]) -> str:
    arguments = f" {first_line(data['arguments'], 80)}" if data.get("arguments") not in (None, "", "{}") else ""
    took = duration_text(data.get("duration"))
    outcome = str(data.get("outcome", "")).replace("_", " ")
    return f"tool {data.get('tool', '')}{arguments} {outcome} ({took}){_error_suffix(data)}"


def _text(data: dict[str, Any]) -> str:
    if data.get("dropped"):
        return f"says {data['dropped']} characters more"
    return f"says: {first_line(data.get('text', ''))}"


def is_work(data: dict[str, Any]) -> bool:
    """Whether an attempt's event is about work, not about a validation."""
    return bool(data.get("purpose", Purpose.WORK) == Purpose.WORK)


_LINES: dict[str, Callable[[dict[str, Any]], str | None]] = {
    kinds.RUN_SUBMITTED: _submitted,
    kinds.RUN_STARTED: lambda data: f"run started: {data.get('workflow', '')} {data.get('version', '')}".rstrip(),
    kinds.RUN_CANCEL_REQUESTED: lambda _: "cancel requested",
    kinds.RUN_PAUSED: lambda data: f"run paused: {first_line(data.get('reason', ''))}".rstrip(": "),
    kinds.RUN_RESUMED: lambda _: "run goes on",
    kinds.RUN_CHILD_STARTED: lambda data: f"began run {str(data.get('run', ''))[:SHORT_ID]}".rstrip(),
    kinds.RUN_FINISHED: lambda data: f"run {data.get('status', 'finished')}",
    kinds.PLAN_MADE: _plan_made,
    kinds.STEP_STARTED: _step_started,
    kinds.STEP_FINISHED: lambda data: f"{data.get('status', 'finished')}{_error_suffix(data)}",
    kinds.STEP_REUSED: _reused,
    kinds.STEP_SKIPPED: lambda data: f"skipped: {data.get('reason', '')}",
    kinds.STEP_ITERATION: _iteration,
    kinds.HUMAN_ASKED: _asked,
    kinds.HUMAN_ANSWERED: _answered,
    kinds.HUMAN_EXPIRED: lambda _: "nobody answered in time",
    kinds.ATTEMPT_QUEUED: _queued,
    kinds.ATTEMPT_STARTED: _started,
    kinds.ATTEMPT_FINISHED: _finished,
    kinds.ATTEMPT_LOG: _log,
    kinds.ATTEMPT_TOOL: _tool,
    kinds.ATTEMPT_TEXT: _text,
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
