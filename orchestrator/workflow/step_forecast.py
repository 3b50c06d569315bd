"""What one step would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.worker import AGENT_WORKER, RUN_WORKER
from orchestrator.errors import InputsInvalid
from orchestrator.workflow.child_run import child_run
from orchestrator.workflow.figures import Facts, Figure
from orchestrator.workflow.forecast_values import Forecast, StepForecast
from orchestrator.workflow.ladder import Ladder, ladder_of
from orchestrator.workflow.model import StepSpec, Workflow
from orchestrator.workflow.preview import Known, Preview
from orchestrator.workflow.questions import question_of
from orchestrator.workflow.step_cost import StepCost
from orchestrator.workflow.step_time import StepTime

ForecastChild = Callable[[StepSpec, Preview], "tuple[Forecast | None, str]"]
"""Gives what a step's child runs would do, None where that is not known, and what is wrong with their inputs."""


def skipped_step(spec: StepSpec, wave: int, why: str) -> StepForecast:
    """A step that would be skipped for sure."""
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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step's forecast needs to know of its run: what the inputs tell, the numbers, and how child runs go."""

    preview: Preview
    facts: Facts
    forecast_child: ForecastChild


def forecast_step(spec: StepSpec, wave: int, condition: Known, around: Surroundings) -> StepForecast:
    """A step that may start.

    Args:
        spec: the step.
        wave: from 1.
        condition: its `when`.
        around: its run.
    """
    preview, facts = around.preview, around.facts
    ladder = ladder_of(spec)
    known = preview.items(spec) if spec.foreach is not None else None
    items = known.value if known is not None and known.sure else None
    count = 1 if known is None else len(items) if items is not None else None
    prompt = preview.prompt(spec, items) if spec.worker == AGENT_WORKER else None
    found, wrong = around.forecast_child(spec, preview) if spec.worker == RUN_WORKER else (None, "")
    child = child_run(spec, found) if spec.worker == RUN_WORKER else None
    cost, time = StepCost(spec, facts, prompt, count, child), StepTime(spec, facts, count, child)
    troubles = (condition.trouble, known.trouble if known else "", wrong, *cost.troubles())
    return StepForecast(
        spec=spec,
        wave=wave,
        skipped="",
        conditional=not condition.sure,
        items=None if known is None else _items(known, count),
        ladder=ladder,
        attempts=_most(spec, ladder, ladder.work, child.attempts if child else None, count),
        verdicts=_most(spec, ladder, ladder.verdicts, child.verdicts if child else None, count),
        prompt=cost.prompt(),
        expected_cost=cost.expected(),
        worst_cost=cost.worst(),
        expected_seconds=time.expected(),
        worst_seconds=time.worst(),
        child_runs=_most(spec, ladder, ladder.runs, None, count) if child else None,
        child=found,
        question=question_of(spec, preview, sure=condition.sure, items=count),
        troubles=tuple(trouble for trouble in troubles if trouble),
    )


def child_inputs(spec: StepSpec, callee: Workflow, preview: Preview) -> tuple[dict[str, Any], str]:
    """The inputs that all child runs of a step have as far as they are known, and what is wrong with them."""
    values, unknown = preview.with_(spec)
    overlaid = spec.repeat.with_ if spec.repeat is not None and spec.repeat.max > 1 else {}
    troubles = [known.trouble for known in unknown.values() if known.trouble]
    waiting = unknown.keys() | overlaid.keys()
    fields = {
        name: schema
        for name, schema in callee.inputs.items()
        if name in values or ("default" in schema and name not in waiting)
    }
    try:
        checked = callee.model_copy(update={"inputs": fields}).check_inputs(values)
    except InputsInvalid as error:
        return {}, " ".join(error.message.split())
    return checked, "; ".join(troubles)


def _items(known: Known, count: int | None) -> Figure:
    if count is not None:
        return Figure(count, "these inputs")
    return Figure(None, f"reads {', '.join(known.reads)}" if known.reads else known.trouble)


def _most(spec: StepSpec, ladder: Ladder, own: int, inner: Figure | None, count: int | None) -> Figure:
    """The step's own of one item, and those of its child runs; for all iterations and items."""
    one = Figure(own, "")
    if inner is not None:
        one = one.plus(inner.times(ladder.runs, ""))
        if one.value is None:
            return Figure(None, inner.source)
    iterations = spec.repeat.max if spec.repeat is not None else 1
    if count is None:
        source = "of each item" if iterations == 1 else f"of each item, {iterations} iterations"
        return Figure((one.value or 0) * iterations, source, each=True, more=one.times(iterations, "").more)
    what = ["retries", "revisions", "escalations"]
    what += ["iterations"] if iterations != 1 else []
    what += ["child runs"] if inner is not None else []
    return one.times(count * iterations, ", ".join(what) + (" and items" if count != 1 else ""))


def skip_reason(spec: StepSpec, condition: Known, skipped: Mapping[str, str]) -> str:
    """Why a step would be skipped for sure, empty where it would not.

    Args:
        spec: the step.
        condition: its `when`.
        skipped: the same of the steps before it.
    """
    for needed, allowed in spec.needs.items():
        if skipped.get(needed) and "skipped" not in allowed:
            return f"{needed} is skipped"
    if condition.sure and condition.value is False:
        return "when is false with these inputs"
    return ""
