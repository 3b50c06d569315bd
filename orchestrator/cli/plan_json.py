"""A forecast as plain JSON. Money is USD, times are seconds; a figure is its value and where that comes from."""

from __future__ import annotations

from typing import Any

from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast import Forecast, StepForecast


def forecast_json(forecast: Forecast, *, past: str) -> dict[str, Any]:
    """Everything of a forecast; `past` is a sentence on the past runs behind it."""
    workflow = forecast.workflow
    return {
        "workflow": workflow.name,
        "version": workflow.version,
        "sha256": workflow.sha256,
        "inputs_not_given": list(forecast.inputs_not_given),
        "steps": [_step(step) for step in forecast.steps],
        "waves": [list(wave) for wave in forecast.waves],
        "critical_path": {"steps": list(forecast.critical_path), "by": forecast.critical_by},
        "pools": [
            {"pool": pool.pool, "steps": list(pool.steps), "attempts_at_most": _total(pool.attempts)}
            for pool in forecast.pools
        ],
        "asks": list(forecast.asks),
        "attempts_at_most": _total(forecast.attempts),
        "cost": {"expected": _total(forecast.expected_cost), "worst": _total(forecast.worst_cost)},
        "seconds": {"expected": _total(forecast.expected_seconds), "worst": _total(forecast.worst_seconds)},
        "past_runs": past,
    }


def _step(step: StepForecast) -> dict[str, Any]:
    spec = step.spec
    return {
        "id": spec.id,
        "kind": spec.kind,
        "worker": spec.worker,
        "model": spec.model,
        "pool": spec.pool,
        "needs": {needed: list(allowed) for needed, allowed in spec.needs.items()},
        "wave": step.wave,
        "critical": step.critical,
        "when": spec.when,
        "skipped": step.skipped or None,
        "conditional": step.conditional,
        "asks": step.asks,
        "items": _figure(step.items),
        "attempts_at_most": _figure(step.attempts),
        "verdicts_at_most": _figure(step.verdicts),
        "ladder": [
            {
                "why": rung.why,
                "rounds": rung.rounds,
                "tries": step.ladder.tries,
                "targets": [_target(t) for t in rung.targets],
            }
            for rung in step.ladder.rungs
        ],
        "prompt_tokens": _figure(step.prompt),
        "cost": {"expected": _figure(step.expected_cost), "worst": _figure(step.worst_cost)},
        "seconds": {"expected": _figure(step.expected_seconds), "worst": _figure(step.worst_seconds)},
        "troubles": list(step.troubles),
    }


def _target(target: Any) -> dict[str, Any]:
    return {"worker": target.worker, "pool": target.pool, "model": target.model}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    if figure is None:
        return None
    return {"value": figure.value, "each": figure.each, "source": figure.source}


def _total(total: Total) -> dict[str, Any]:
    return {"value": total.value, "each": dict(total.each), "without": list(total.missing)}
