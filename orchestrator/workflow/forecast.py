"""The dry run: what a workflow would do with some inputs, worked out without doing any of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.workflow.critical_path import critical_path
from orchestrator.workflow.figures import Facts, Figure, Total
from orchestrator.workflow.graph import ordered, waves
from orchestrator.workflow.ladder import Ladder, attempts_by_pool, ladder_of
from orchestrator.workflow.model import StepSpec, Workflow
from orchestrator.workflow.preview import Known, Preview
from orchestrator.workflow.step_cost import StepCost
from orchestrator.workflow.step_time import StepTime

ASKING_KIND = "human"


@dataclass(frozen=True, slots=True)
class StepForecast:
    """What one step would do.

    Attributes:
        wave: from 1; the steps of one wave do not wait for each other.
        skipped: why it would be skipped for sure; empty where it would not, or where that is not known.
        conditional: its `when` is not decided by the inputs.
        items: None without `foreach`; a figure without a value where their number is not known.
        attempts: work attempts at most, for one item where `items` is not known.
        verdicts: attempts of validators at most, likewise.
        prompt: tokens of its first call, None for a worker.
        asks: a person is asked.
        troubles: what would go wrong for sure.
    """

    spec: StepSpec
    wave: int
    skipped: str
    conditional: bool
    items: Figure | None
    ladder: Ladder
    attempts: Figure
    verdicts: Figure
    prompt: Figure | None
    expected_cost: Figure
    worst_cost: Figure
    expected_seconds: Figure
    worst_seconds: Figure
    critical: bool = False
    asks: bool = False
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolForecast:
    """A pool that the run would use: the steps that need it, and the attempts that would go through it at most."""

    pool: str
    steps: tuple[str, ...]
    attempts: Total


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do.

    Attributes:
        waves: ids of steps.
        critical_path: ids of steps, from the first to the last.
        critical_by: what the steps were weighed by.
        attempts: of work and of validators at most.
        expected_cost, worst_cost: USD; of agents, and of workers as far as past runs tell.
        expected_seconds, worst_seconds: along the chain of needs that takes longest.
    """

    workflow: Workflow
    inputs: Mapping[str, Any]
    steps: tuple[StepForecast, ...]
    waves: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    critical_by: str
    pools: tuple[PoolForecast, ...]
    attempts: Total
    expected_cost: Total
    worst_cost: Total
    expected_seconds: Total
    worst_seconds: Total

    @property
    def asks(self) -> tuple[str, ...]:
        """The steps that would ask a person."""
        return tuple(step.spec.id for step in self.steps if step.asks)

    @property
    def inputs_not_given(self) -> tuple[str, ...]:
        """The inputs that a run would need besides those that the forecast was made with."""
        return tuple(name for name in self.workflow.inputs if name not in self.inputs)


def forecast(workflow: Workflow, inputs: Mapping[str, Any], facts: Facts) -> Forecast:
    """Work out what a run would do.

    Args:
        workflow: checked.
        inputs: as `Workflow.check_inputs` gives them; one that is left out is not known.
        facts: prices, timeouts, past runs.
    """
    preview = Preview(workflow, inputs, facts.tenant)
    wave_of = {name: number for number, wave in enumerate(waves(workflow), start=1) for name in wave}
    skipped: dict[str, str] = {}
    found: dict[str, StepForecast] = {}
    for name in ordered({spec.id: spec.needs for spec in workflow.steps.values()}):
        spec = workflow.steps[name]
        condition = preview.condition(spec)
        skipped[name] = _skip(spec, condition, skipped)
        if skipped[name]:
            found[name] = _skipped(spec, wave_of[name], skipped[name])
        else:
            found[name] = _step(spec, wave_of[name], preview, facts, condition)
    return _whole(workflow, inputs, {name: found[name] for name in workflow.steps})


def _skip(spec: StepSpec, condition: Known, skipped: Mapping[str, str]) -> str:
    for needed, allowed in spec.needs.items():
        if skipped.get(needed) and "skipped" not in allowed:
            return f"{needed} is skipped"
    if condition.sure and condition.value is False:
        return "when is false with these inputs"
    return ""


def _skipped(spec: StepSpec, wave: int, why: str) -> StepForecast:
    none = Figure(0, "skipped")
    return StepForecast(
        spec=spec,
        wave=wave,
        skipped=why,
        conditional=False,
        items=None,
        ladder=ladder_of(spec),
        attempts=none,
        verdicts=none,
        prompt=None,
        expected_cost=none,
        worst_cost=none,
        expected_seconds=none,
        worst_seconds=none,
    )


def _step(spec: StepSpec, wave: int, preview: Preview, facts: Facts, condition: Known) -> StepForecast:
    ladder, kind = ladder_of(spec), str(spec.kind)
    known = preview.items(spec) if spec.foreach is not None else None
    items = known.value if known is not None and known.sure else None
    count = 1 if known is None else len(items) if items is not None else None
    prompt = preview.prompt(spec, items) if spec.worker == AGENT_WORKER else None
    cost, time = StepCost(spec, facts, prompt, count), StepTime(spec, facts, count)
    troubles = [trouble for trouble in (condition.trouble, known.trouble if known else "") if trouble]
    return StepForecast(
        spec=spec,
        wave=wave,
        skipped="",
        conditional=not condition.sure,
        items=None if known is None else _items(known, count),
        ladder=ladder,
        attempts=_attempts(ladder.work, count),
        verdicts=_attempts(ladder.verdicts, count),
        prompt=cost.prompt(),
        expected_cost=cost.expected(),
        worst_cost=cost.worst(),
        expected_seconds=time.expected(),
        worst_seconds=time.worst(),
        asks=kind == ASKING_KIND,
        troubles=(*troubles, *cost.troubles()),
    )


def _items(known: Known, count: int | None) -> Figure:
    if count is not None:
        return Figure(count, "these inputs")
    return Figure(None, f"reads {', '.join(known.reads)}" if known.reads else known.trouble)


def _attempts(one_item: int, count: int | None) -> Figure:
    if count is None:
        return Figure(one_item, "of each item", each=True)
    return Figure(one_item * count, "retries, revisions, escalations" + (" and items" if count != 1 else ""))


def _whole(workflow: Workflow, inputs: Mapping[str, Any], steps: dict[str, StepForecast]) -> Forecast:
    path, by = _critical(workflow, steps)
    marked = tuple(_marked(step, path) for step in steps.values())
    agents = {name for name, step in steps.items() if step.spec.worker == AGENT_WORKER}
    both = [(name, _sum(step.attempts, step.verdicts)) for name, step in steps.items()]

    def cost(pick: Callable[[StepForecast], Figure]) -> Total:
        figures = [(name, pick(step)) for name, step in steps.items()]
        return Total.of((name, each) for name, each in figures if name in agents or each.value is not None)

    return Forecast(
        workflow=workflow,
        inputs=inputs,
        steps=marked,
        waves=tuple(tuple(wave) for wave in waves(workflow)),
        critical_path=path,
        critical_by=by,
        pools=_pools(steps),
        attempts=Total.of(both),
        expected_cost=cost(lambda step: step.expected_cost),
        worst_cost=cost(lambda step: step.worst_cost),
        expected_seconds=_longest(workflow, {name: step.expected_seconds for name, step in steps.items()}),
        worst_seconds=_longest(workflow, {name: step.worst_seconds for name, step in steps.items()}),
    )


def _critical(workflow: Workflow, steps: Mapping[str, StepForecast]) -> tuple[tuple[str, ...], str]:
    """By what is known of every step: the past, else the timeouts, else how many steps a chain has."""
    expected = {name: step.expected_seconds for name, step in steps.items()}
    worst = {name: step.worst_seconds for name, step in steps.items()}
    for figures, by in ((expected, "medians of past runs"), (worst, "timeouts")):
        known = {name: each.value for name, each in figures.items() if each.value is not None and not each.each}
        if len(known) == len(steps):
            return tuple(critical_path(workflow, known)[0]), by
    started = {name: 0.0 if step.skipped else 1.0 for name, step in steps.items()}
    return tuple(critical_path(workflow, started)[0]), "number of steps"


def _longest(workflow: Workflow, figures: Mapping[str, Figure]) -> Total:
    known = {name: each.value for name, each in figures.items() if each.value is not None and not each.each}
    missing = tuple(name for name in figures if name not in known)
    longest = critical_path(workflow, known)[1]
    return Total(longest if longest or not missing else None, missing=missing)


def _pools(steps: Mapping[str, StepForecast]) -> tuple[PoolForecast, ...]:
    found: dict[str, list[tuple[str, Figure]]] = {}
    for name, step in steps.items():
        if step.skipped:
            continue
        for pool, attempts in attempts_by_pool(step.spec).items():
            unknown = step.items is not None and step.items.value is None
            count = 1 if step.items is None or step.items.value is None else int(step.items.value)
            found.setdefault(pool, []).append((name, Figure(attempts * count, "", each=unknown)))
    return tuple(
        PoolForecast(pool, tuple(name for name, _ in uses), Total.of(uses)) for pool, uses in sorted(found.items())
    )


def _sum(one: Figure, other: Figure) -> Figure:
    return Figure((one.value or 0) + (other.value or 0), one.source, one.each)


def _marked(step: StepForecast, path: tuple[str, ...]) -> StepForecast:
    return replace(step, critical=step.spec.id in path)
