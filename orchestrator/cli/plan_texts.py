"""The words of a forecast, the same in its table and its diagrams."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from orchestrator.cli.quantities import NOTHING, cost_text, duration_text, plural
from orchestrator.domain.budget import OnExceed
from orchestrator.domain.worker import PLANNER_WORKER
from orchestrator.workflow.budget_forecast import BudgetForecast, LimitForecast
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast_values import StepForecast
from orchestrator.workflow.preview import Known
from orchestrator.workflow.questions import Question

LEVELS = 3
"""How deep child runs are shown; JSON has them all."""

AMOUNTS: dict[str, Callable[[float], str]] = {
    "usd": cost_text,
    "tokens": lambda count: plural(int(count), "token"),
    "wall": duration_text,
}


def needs_text(step: StepForecast) -> str:
    """`read, approve (succeeded or skipped)`; a dash for a step that waits for none."""
    parts = [
        needed if allowed == ("succeeded",) else f"{needed} ({' or '.join(allowed)})"
        for needed, allowed in step.spec.needs.items()
    ]
    return ", ".join(parts) or NOTHING


def who_text(step: StepForecast) -> str:
    """`worker documents.read_folder`, `agent small`, `workflow fact_check`, `human ada@example.org`."""
    spec = step.spec
    if spec.kind == "human":
        return "human" if step.question is None else f"human {assignee_text(step.question.assignee)}"
    if spec.plan is not None:
        return f"plans {spec.model or 'by rules'}" if spec.worker == PLANNER_WORKER else "workflow that was planned"
    name = spec.uses.name if spec.uses is not None else spec.model if spec.model is not None else spec.worker
    return f"{spec.kind} {name}"


def assignee_text(assignee: Known) -> str:
    """Who is asked: `ada@example.org`, `anybody`, or what that reads."""
    if not assignee.sure:
        return f"({', '.join(assignee.reads) or 'not known'})"
    return str(assignee.value) if assignee.value else "anybody"


def count_text(figure: Figure) -> str:
    """`12`, `9 each` for a figure of one item, `12 + 3 each` where items of a child run add to it; else a dash."""
    if figure.value is None:
        return NOTHING
    more = sum(value for _, value in figure.more)
    return f"{figure.value:,.0f}{' each' if figure.each else ''}" + (f" + {more:,.0f} each" if more else "")


def items_text(step: StepForecast) -> str:
    """`4`, `n` where the number is not known, `up to 3` for the iterations of a repeat."""
    if step.spec.repeat is not None:
        return f"up to {step.spec.repeat.max}"
    if step.items is None:
        return NOTHING
    return "n" if step.items.value is None else f"{step.items.value:,.0f}"


def total_text(total: Total, text: Callable[[float | None], str]) -> str:
    """What is known of a sum, what items add to it, and what is missing in it."""
    if total.value is None and not total.each:
        return f"not known (no figure for {some(total.missing)})"
    parts = [text(total.value)] if total.value or not total.each else []
    parts += [f"{text(value)} for each item of {step}" for step, value in total.each]
    parts += [f"what {some(total.missing)} takes"] if total.missing else []
    return " + ".join(parts)


def some(steps: tuple[str, ...]) -> str:
    """The steps, or the first of many."""
    return ", ".join(steps) if len(steps) <= 4 else f"{', '.join(steps[:3])} and {len(steps) - 3} more"


THEN = {
    OnExceed.PAUSE: "pauses",
    OnExceed.FAIL: "fails",
    OnExceed.DOWNGRADE: "takes cheaper models where they fit, and pauses where none does",
}
WOULD = {
    OnExceed.PAUSE: "pause",
    OnExceed.FAIL: "fail",
    OnExceed.DOWNGRADE: "take cheaper models, or pause",
}


def budget_text(budget: BudgetForecast) -> str:
    """`$3.00, 500,000 tokens, 30 m 00 s; then the run pauses`."""
    limits = ", ".join(AMOUNTS[limit.what](limit.limit) for limit in budget.limits)
    return f"{limits}; then the run {THEN[budget.budget.on_exceed]}"


def budget_notes(budget: BudgetForecast) -> Iterator[str]:
    """Where the worst case is above the budget, or has no limit but the budget; and that attempts reserve."""
    if budget.budget.room.limited:
        yield "attempts reserve what they may use before they begin: those that do not fit side by side wait for others"
    for limit in budget.limits:
        if limit.worst:
            yield f"worst case is above the {_would(budget, limit)}"
        elif limit.worst is None and limit.what == "usd":
            yield f"the worst case has no limit that is known; at the {_would(budget, limit)}"


def budget_troubles(budget: BudgetForecast) -> Iterator[str]:
    """Where already the expected use is above the budget."""
    for limit in budget.limits:
        if limit.expected:
            what = "cost" if limit.what == "usd" else "time" if limit.what == "wall" else "use"
            yield f"the expected {what} is above the {_would(budget, limit)}"


def question_text(question: Question) -> str:
    """`ada@example.org: decision, note; expires after 48 h 00 m, then the step fails`."""
    parts = [f"{assignee_text(question.assignee)}: {', '.join(question.fields) or 'any answer'}"]
    if question.after:
        parts[0] = f"may be asked, after {' or '.join(question.after)}: {', '.join(question.fields) or 'any answer'}"
    elif not question.sure:
        parts[0] = f"may be asked, {parts[0]}"
    if question.times.value != 1 or question.times.each:
        parts.append(f"{count_text(question.times)} times at most")
    if question.expires is not None:
        parts.append(f"expires after {duration_text(question.expires.after)}, then the step {_then(question)}")
    else:
        parts.append("waits for ever")
    return "; ".join(parts)


def _then(question: Question) -> str:
    return "is skipped" if question.expires is not None and question.expires.then == "skip" else "fails"


def _would(budget: BudgetForecast, limit: LimitForecast) -> str:
    return f"budget of {AMOUNTS[limit.what](limit.limit)}: the run would {WOULD[budget.budget.on_exceed]}"
