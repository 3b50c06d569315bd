"""What one child run of a `kind: workflow` step comes to, within its budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.domain.budget import Budget
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast_values import Forecast, StepForecast
from orchestrator.workflow.model import StepSpec, Workflow


@dataclass(frozen=True, slots=True)
class ChildRun:
    """The figures of one run, as figures of the step that starts it.

    `attempts` is of work, `verdicts` of validators, both at most; money is USD, times are seconds.
    """

    forecast: Forecast | None
    attempts: Figure
    verdicts: Figure
    expected_cost: Figure
    worst_cost: Figure
    expected_seconds: Figure
    worst_seconds: Figure


def callee_of(workflow: Workflow, spec: StepSpec) -> Workflow | None:
    """The workflow that a step's child runs carry out; None where its definition is not at hand."""
    wanted = spec.uses.sha256 if spec.uses is not None else ""
    return next((callee for callee in workflow.callees if callee.sha256 == wanted), None)


def child_budget(spec: StepSpec, callee: Workflow) -> Budget | None:
    """What one child run may use: the tighter of what the step and the callee say."""
    if spec.budget is None or callee.budget is None:
        return spec.budget or callee.budget
    return spec.budget.tightest(callee.budget)


def child_run(spec: StepSpec, found: Forecast | None) -> ChildRun:
    """The figures of one child run.

    Args:
        spec: the step that starts it.
        found: what the run would do; None where its workflow is not at hand.
    """
    if found is None:
        name = spec.uses.name if spec.uses is not None else "the workflow"
        told = f"the definition of {name} is not at hand"
        if spec.plan is not None:
            told = f"a plan has {spec.plan.max_steps} steps at most"
        none = Figure(None, told)
        return ChildRun(None, none, none, none, none, none, none)
    return ChildRun(
        forecast=found,
        attempts=_sum(found, lambda step: step.attempts),
        verdicts=_sum(found, lambda step: step.verdicts),
        expected_cost=_figure(found, found.expected_cost, lambda step: step.expected_cost),
        worst_cost=_worst_cost(found),
        expected_seconds=_figure(found, found.expected_seconds, lambda step: step.expected_seconds),
        worst_seconds=_worst_seconds(found),
    )


def _sum(found: Forecast, pick: Callable[[StepForecast], Figure]) -> Figure:
    return _figure(found, Total.of((step.spec.id, pick(step)) for step in found.all_steps), pick)


def _figure(found: Forecast, total: Total, pick: Callable[[StepForecast], Figure]) -> Figure:
    """A total of the run as a figure; where it is not whole, with the reason that the first such step gives."""
    if total.value is not None and not total.missing:
        return Figure(total.value, f"the steps of {found.workflow.name}", more=total.each)
    reasons = {step.spec.id: pick(step) for step in found.all_steps}
    first = total.missing[0]
    each = "the number of its items is not known" if reasons[first].each else reasons[first].source
    return Figure(None, f"{first}: {each}")


def _worst_cost(found: Forecast) -> Figure:
    worst, limit = found.worst_cost, found.budget.budget.usd if found.budget is not None else None
    if limit is not None and (worst.whole is None or limit < worst.whole):
        return Figure(limit, f"budget.usd of {limit:g}")
    return _figure(found, worst, lambda step: step.worst_cost)


def _worst_seconds(found: Forecast) -> Figure:
    """Waiting for people does not count in `budget.wall`, so that it bounds nothing where they may be asked."""
    worst, limit = found.worst_seconds, found.budget.budget.wall if found.budget is not None else None
    if limit is not None and not found.asks and (worst.whole is None or limit < worst.whole):
        return Figure(limit, f"budget.wall of {limit:g} s")
    return _figure(found, worst, lambda step: step.worst_seconds)
