"""How items and steps end, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain import event as events
from orchestrator.domain.item import ChooseRule, ItemState, Phase, by_rule
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.progress import PLAIN, Gathering, on_item_settled
from orchestrator.domain.run import StepState, StepStatus
from orchestrator.errors import BudgetRefused, ExpressionError, InputsInvalid, PlanInvalid
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import StepSpec

Unsendable = ExpressionError | InputsInvalid | PlanInvalid | BudgetRefused
"""Why an item is not sent: an expression does not evaluate, a child run's inputs are wrong, its plan is not sound, or
its budget has no room."""


def settle_item(draft: Draft, spec: StepSpec, item: ItemState) -> None:
    """An item is settled: count it in, and end its step if that was the last one."""
    draft.put_item(item)
    before = draft.step(spec.id)
    after = on_item_settled(before, item, gathering(spec), draft.context.clock())
    draft.put_step(after)
    if after.settled and not before.settled:
        say_finished(draft, after)


def fail_item(draft: Draft, spec: StepSpec, item: ItemState, error: Unsendable, choose: ChooseRule) -> ItemState:
    """An item that cannot be sent: `on_error`, or a failure.

    Its expressions do not evaluate, or it gives a child run wrong inputs or no sound plan. An escalation finds nothing
    to hand over where its `with` is not rendered.
    """
    if isinstance(error, InputsInvalid):
        info = ErrorInfo("inputs_invalid", "error", error.message)
    elif isinstance(error, BudgetRefused):
        info = ErrorInfo("budget_exceeded", "budget", error.message, error.remedy)
    elif isinstance(error, PlanInvalid):
        info = ErrorInfo("plan_invalid", "error", f"the plan is not sound: {'; '.join(error.problems)}")
    else:
        info = expression_error(error)
    after = by_rule(replace(item, error=info, judges=()), info, choose)
    if not after.settled and after.with_ is None:
        after = replace(item, phase=Phase.FAILED, error=info)
    if after.settled:
        settle_item(draft, spec, after)
    else:
        draft.put_item(after)
    return after


def skip_step(draft: Draft, step: StepState, reason: str) -> None:
    """A step is not run, for a reason that people can read."""
    now = draft.context.clock()
    draft.put_step(replace(step, status=StepStatus.SKIPPED, reason=reason, finished_at=now))
    draft.say(events.STEP_SKIPPED, step.id, {"reason": reason}, key=f"{events.STEP_SKIPPED}/{step.id}")


def fail_step(draft: Draft, step: StepState, error: ExpressionError) -> None:
    """A step whose expressions do not evaluate fails before it has items."""
    now = draft.context.clock()
    info = expression_error(error)
    failed = replace(step, status=StepStatus.FAILED, error=info, started_at=now, finished_at=now)
    draft.put_step(failed)
    say_finished(draft, failed)


def say_finished(draft: Draft, step: StepState) -> None:
    """Record the event that a step has its outcome."""
    data = {
        "status": str(step.status),
        "attempts": step.attempts,
        "items": step.total,
        "items_failed": step.failed,
        "marked": step.marked,
        "dead": step.dead,
        "error": step.error.as_json() if step.error else None,
    }
    draft.say(events.STEP_FINISHED, step.id, data, key=f"{events.STEP_FINISHED}/{step.id}")


def gathering(spec: StepSpec) -> Gathering:
    """How the step judges its items."""
    if spec.foreach is None:
        return PLAIN
    return Gathering(spec.foreach.on_item_error == "collect", spec.foreach.min_success or 0.0)


def expression_error(error: ExpressionError) -> ErrorInfo:
    """An expression's failure as the error of an item or step."""
    return ErrorInfo("expression_error", "error", f"{error.message} in {error.expression!r}")
