"""From the forecasts of steps to that of their run: critical path, pools, sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.budget import Budget
from orchestrator.domain.worker import AGENT_WORKER, RUN_WORKER
from orchestrator.workflow.budget_forecast import budget_forecast
from orchestrator.workflow.critical_path import critical_path
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast_values import Forecast, PoolForecast, StepForecast
from orchestrator.workflow.graph import waves_of
from orchestrator.workflow.ladder import attempts_by_pool
from orchestrator.workflow.model import StepSpec, Workflow

Steps = Mapping[str, StepForecast]


def whole_run(workflow: Workflow, inputs: Mapping[str, Any], found: Steps, budget: Budget | None) -> Forecast:
    """The forecast of a run.

    Args:
        workflow: checked.
        inputs: as far as they are known.
        found: every step, those of `finally` included.
        budget: what the run may use.
    """
    steps = {name: found[name] for name in workflow.steps}
    path, by = _critical(workflow, steps)
    seconds = (
        _longest(workflow, found, lambda step: step.expected_seconds),
        _longest(workflow, found, lambda step: step.worst_seconds),
    )
    cost = _cost(found, lambda step: step.expected_cost), _cost(found, lambda step: step.worst_cost)
    asks = any(step.asks for step in found.values())
    return Forecast(
        workflow=workflow,
        inputs=inputs,
        steps=tuple(replace(step, critical=name in path) for name, step in steps.items()),
        waves=tuple(tuple(wave) for part in (workflow.steps, workflow.finally_) for wave in waves_of(part)),
        critical_path=path,
        critical_by=by,
        pools=_pools(found),
        attempts=Total.of((name, _sum(step.attempts, step.verdicts)) for name, step in found.items()),
        expected_cost=cost[0],
        worst_cost=cost[1],
        expected_seconds=seconds[0],
        worst_seconds=seconds[1],
        finally_=tuple(found[name] for name in workflow.finally_),
        budget=budget_forecast(budget, cost=cost, seconds=seconds, asks=asks),
    )


def wave_numbers(workflow: Workflow) -> dict[str, int]:
    """The wave of every step, from 1; those of `finally` come after the others."""
    waves = [*waves_of(workflow.steps), *waves_of(workflow.finally_)]
    return {name: number for number, wave in enumerate(waves, start=1) for name in wave}


def _cost(found: Steps, pick: Callable[[StepForecast], Figure]) -> Total:
    priced = (AGENT_WORKER, RUN_WORKER)
    figures = [(name, step.spec.worker in priced or bool(step.spec.judges), pick(step)) for name, step in found.items()]
    return Total.of((name, figure) for name, counts, figure in figures if counts or figure.value is not None)


def _critical(workflow: Workflow, steps: Steps) -> tuple[tuple[str, ...], str]:
    """By what is known of every step: the past, else the timeouts, else how many steps a chain has."""
    expected = {name: step.expected_seconds for name, step in steps.items()}
    worst = {name: step.worst_seconds for name, step in steps.items()}
    for figures, by in ((expected, "medians of past runs"), (worst, "timeouts")):
        known = {name: each.value for name, each in figures.items() if each.value is not None and not each.each}
        if len(known) == len(steps):
            return tuple(critical_path(workflow.steps, known)[0]), by
    started = {name: 0.0 if step.skipped else 1.0 for name, step in steps.items()}
    return tuple(critical_path(workflow.steps, started)[0]), "number of steps"


def _longest(workflow: Workflow, found: Steps, pick: Callable[[StepForecast], Figure]) -> Total:
    """The longest chain of the steps, and then that of `finally`."""
    figures = {name: pick(step) for name, step in found.items()}
    known = {name: each.value for name, each in figures.items() if each.value is not None and not each.each}
    missing = tuple(name for name in figures if name not in known)
    parts: tuple[Mapping[str, StepSpec], ...] = (workflow.steps, workflow.finally_)
    longest = sum(critical_path(part, known)[1] for part in parts)
    return Total(longest if longest or not missing else None, missing=missing)


def _pools(found: Steps) -> tuple[PoolForecast, ...]:
    uses: dict[str, list[tuple[str, tuple[str, ...], Figure]]] = {}
    for name, step in found.items():
        if step.skipped:
            continue
        for pool, own in attempts_by_pool(step.spec).items():
            uses.setdefault(pool, []).append((name, (name,), _everywhere(step, Figure(own, ""))))
        for inner in step.child.pools if step.child is not None else ():
            called = tuple(f"{name}/{below}" for below in inner.steps)
            attempts = Figure(inner.attempts.value or 0, "", more=inner.attempts.each)
            uses.setdefault(inner.pool, []).append((name, called, _everywhere(step, attempts, step.ladder.runs)))
    return tuple(
        PoolForecast(
            pool,
            tuple(step for _, called, _ in used for step in called),
            Total.of((name, attempts) for name, _, attempts in used),
        )
        for pool, used in sorted(uses.items())
    )


def _everywhere(step: StepForecast, one: Figure, runs: int = 1) -> Figure:
    """Attempts of one item and iteration (or of one child run) in all of them."""
    iterations = step.spec.repeat.max if step.spec.repeat is not None else 1
    unknown = step.items is not None and step.items.value is None
    count = 1 if step.items is None or step.items.value is None else int(step.items.value)
    return replace(one.times(runs * iterations * count, ""), each=unknown)


def _sum(one: Figure, other: Figure) -> Figure:
    return one if one.value is None else one.plus(other)
