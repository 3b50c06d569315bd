"""A forecast as plain JSON. Money is USD, times are seconds; a figure is its value and where that comes from."""

from __future__ import annotations

from typing import Any

from orchestrator.workflow.budget_forecast import BudgetForecast
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast_values import Forecast, StepForecast
from orchestrator.workflow.ladder import Target
from orchestrator.workflow.questions import Question


def forecast_json(forecast: Forecast, *, past: str) -> dict[str, Any]:
    """Everything of a forecast; `past` is a sentence on the past runs behind it."""
    return {**_run(forecast), "past_runs": past}


def _run(forecast: Forecast) -> dict[str, Any]:
    """A run, or what one child run would do."""
    workflow = forecast.workflow
    return {
        "workflow": workflow.name,
        "version": workflow.version,
        "sha256": workflow.sha256,
        "inputs_not_given": list(forecast.inputs_not_given),
        "steps": [_step(step) for step in forecast.steps],
        "finally": [_step(step) for step in forecast.finally_],
        "waves": [list(wave) for wave in forecast.waves],
        "critical_path": {"steps": list(forecast.critical_path), "by": forecast.critical_by},
        "pools": [
            {"pool": pool.pool, "steps": list(pool.steps), "attempts_at_most": _total(pool.attempts)}
            for pool in forecast.pools
        ],
        "asks": list(forecast.asks),
        "questions": [_question(question) for question in forecast.questions],
        "attempts_at_most": _total(forecast.attempts),
        "cost": {"expected": _total(forecast.expected_cost), "worst": _total(forecast.worst_cost)},
        "seconds": {"expected": _total(forecast.expected_seconds), "worst": _total(forecast.worst_seconds)},
        "budget": _budget(forecast.budget),
    }


def _step(step: StepForecast) -> dict[str, Any]:
    spec = step.spec
    return {
        "id": spec.id,
        "kind": spec.kind,
        "worker": spec.worker,
        "model": spec.model,
        "tools": list(spec.tools),
        "max_turns": spec.max_turns,
        "pool": spec.pool,
        "rate": spec.rate,
        "needs": {needed: list(allowed) for needed, allowed in spec.needs.items()},
        "wave": step.wave,
        "critical": step.critical,
        "when": spec.when,
        "skipped": step.skipped or None,
        "conditional": step.conditional,
        "asks": step.asks,
        "items": _figure(step.items),
        "repeat": None if spec.repeat is None else {"until": spec.repeat.until, "max": spec.repeat.max},
        "attempts_at_most": _figure(step.attempts),
        "verdicts_at_most": _figure(step.verdicts),
        "child_runs_at_most": _figure(step.child_runs),
        "ladder": [
            {
                "why": rung.why,
                "rounds": rung.rounds,
                "tries": step.ladder.tries_on(rung),
                "targets": [_target(target) for target in rung.targets],
            }
            for rung in step.ladder.rungs
        ],
        "prompt_tokens": _figure(step.prompt),
        "cost": {"expected": _figure(step.expected_cost), "worst": _figure(step.worst_cost)},
        "seconds": {"expected": _figure(step.expected_seconds), "worst": _figure(step.worst_seconds)},
        "question": None if step.question is None else _question(step.question),
        "uses": None if spec.uses is None else spec.uses.model_dump(),
        "child": None if step.child is None else _run(step.child),
        "troubles": list(step.troubles),
    }


def _target(target: Target) -> dict[str, Any]:
    return {"worker": target.worker, "pool": target.pool, "model": target.model}


def _question(question: Question) -> dict[str, Any]:
    expires = question.expires
    return {
        "step": question.name,
        "sure": question.sure,
        "after": list(question.after),
        "assignee": {"value": question.assignee.value or None, "reads": list(question.assignee.reads)},
        "fields": list(question.fields),
        "form": question.form,
        "expires": None if expires is None else {"after": expires.after, "then": expires.then},
        "times_at_most": _figure(question.times),
    }


def _budget(budget: BudgetForecast | None) -> dict[str, Any] | None:
    """The limits, and for each one given whether the expected use and the worst case is above it; null: not known."""
    if budget is None:
        return None
    limits = budget.budget
    return {
        "usd": limits.usd,
        "tokens": limits.tokens,
        "wall": limits.wall,
        "on_exceed": limits.on_exceed.value,
        "above": {limit.what: {"expected": limit.expected, "worst": limit.worst} for limit in budget.limits},
    }


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    more = {"more": dict(figure.more)} if figure.more else {}
    return {"value": figure.value, "each": figure.each, "source": figure.source, **more}


def _total(total: Total) -> dict[str, Any]:
    return {"value": total.value, "each": dict(total.each), "without": list(total.missing)}
