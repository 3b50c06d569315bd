"""A forecast as a table with what follows from it: critical path, pools, totals, and where every figure comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.quantities import NOTHING, cost_text, duration_text, plural
from orchestrator.cli.tables import plain_table
from orchestrator.domain.identity import sha_label
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast import Forecast, StepForecast


def print_forecast(console: Console, forecast: Forecast, *, past: str) -> None:
    """Print everything.

    Args:
        console: where to.
        forecast: what a run would do.
        past: a sentence on the past runs behind it.
    """
    workflow = forecast.workflow
    heading = f"{workflow.name} {workflow.version} {sha_label(workflow.sha256)}"
    sizes = f"{plural(len(forecast.steps), 'step')} in {plural(len(forecast.waves), 'wave')}"
    console.print(f"{heading} · {sizes} · nothing was started", markup=False)
    console.print()
    console.print(_steps_table(forecast))
    console.print()
    for name, text in _summary(forecast):
        console.print(Text.assemble((f"{name:<16}", "dim"), text), soft_wrap=True)
    console.print()
    console.print(Text("where the figures come from", style="dim"))
    for line in _sources(forecast):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if _uncounted(forecast, "expected_cost"):
        console.print("  workers: what their own model calls cost is known from past runs only", soft_wrap=True)
    console.print(f"  {past}", markup=False, soft_wrap=True)


def needs_text(step: StepForecast) -> str:
    """`read, approve (succeeded or skipped)`; a dash for a step that waits for none."""
    parts = [
        needed if allowed == ("succeeded",) else f"{needed} ({' or '.join(allowed)})"
        for needed, allowed in step.spec.needs.items()
    ]
    return ", ".join(parts) or NOTHING


def who_text(step: StepForecast) -> str:
    """`worker documents.read_folder`, `agent small`."""
    name = step.spec.model if step.spec.model is not None else step.spec.worker
    return f"{step.spec.kind} {name}"


def count_text(figure: Figure) -> str:
    """`12`, `9 each` for a figure of one item, a dash where it is not known."""
    return NOTHING if figure.value is None else f"{figure.value:,.0f}{' each' if figure.each else ''}"


def _steps_table(forecast: Forecast) -> Table:
    table = plain_table(
        ("wave", "step", "who", "pool", "needs"), ("items", "attempts", "verdicts", "cost / worst", "time / worst")
    )
    for step in sorted(forecast.steps, key=lambda step: step.wave):
        name = Text(step.spec.id + (" *" if step.critical else ""), style="bold" if step.critical else "")
        if step.skipped:
            name = Text(step.spec.id, style="dim strike")
        table.add_row(
            str(step.wave),
            name,
            who_text(step),
            Text(step.spec.pool, style="dim"),
            needs_text(step),
            NOTHING if step.items is None else "n" if step.items.value is None else f"{step.items.value:,.0f}",
            count_text(step.attempts),
            count_text(step.verdicts) if step.verdicts.value else NOTHING,
            NOTHING if step.skipped else _pair(step.expected_cost, step.worst_cost, cost_text),
            NOTHING if step.skipped else _pair(step.expected_seconds, step.worst_seconds, duration_text),
        )
    return table


def _pair(expected: Figure, worst: Figure, text: Callable[[float | None], str]) -> str:
    shown = [text(figure.value) + (" each" if figure.each and figure.value else "") for figure in (expected, worst)]
    return NOTHING if shown == [NOTHING, NOTHING] else " / ".join(shown)


def _summary(forecast: Forecast) -> Iterator[tuple[str, str]]:
    if forecast.inputs_not_given:
        yield "not given", f"the inputs {', '.join(forecast.inputs_not_given)}; a run needs them"
    yield "critical path *", f"{' → '.join(forecast.critical_path)} (by {forecast.critical_by})"
    for pool in forecast.pools:
        yield f"pool {pool.pool}", f"{', '.join(pool.steps)}: {_most(pool.attempts)}"
    yield "attempts", _most(forecast.attempts)
    yield "cost", f"expected {_total(forecast.expected_cost, cost_text)}{_uncounted(forecast, 'expected_cost')}"
    yield "", f"at worst {_total(forecast.worst_cost, cost_text)}{_uncounted(forecast, 'worst_cost')}"
    yield "time", f"expected {_total(forecast.expected_seconds, duration_text)}"
    yield "", f"at worst {_total(forecast.worst_seconds, duration_text)}, not counting waits in queues"
    yield "asks a person", ", ".join(forecast.asks) or "never"


def _most(attempts: Total) -> str:
    return f"at most {_total(attempts, lambda count: f'{count or 0:,.0f}')}"


def _total(total: Total, text: Callable[[float | None], str]) -> str:
    if total.value is None and not total.each:
        return f"not known (no figure for {_some(total.missing)})"
    parts = [text(total.value)] if total.value or not total.each else []
    parts += [f"{text(value)} for each item of {step}" for step, value in total.each]
    parts += [f"what {_some(total.missing)} takes"] if total.missing else []
    return " + ".join(parts)


def _uncounted(forecast: Forecast, figure: str) -> str:
    unknown = any(step.prompt is None and getattr(step, figure).value is None for step in forecast.steps)
    return ", not counting workers' own model calls" if unknown else ""


def _some(steps: tuple[str, ...]) -> str:
    return ", ".join(steps) if len(steps) <= 4 else f"{', '.join(steps[:3])} and {len(steps) - 3} more"


def _sources(forecast: Forecast) -> Iterator[str]:
    width = max((len(step.spec.id) for step in forecast.steps), default=0)
    for step in forecast.steps:
        if step.skipped:
            yield f"{step.spec.id:<{width}}  skipped: {step.skipped}"
            continue
        yield f"{step.spec.id:<{width}}  " + " · ".join(_step_sources(step))


def _step_sources(step: StepForecast) -> Iterator[str]:
    yield from (f"trouble: {trouble}" for trouble in step.troubles)
    if step.conditional:
        yield f"only if {step.spec.when}"
    if step.items is not None:
        yield f"items: {step.items.source}"
    if step.prompt is not None:
        yield f"prompt: ~{step.prompt.value:,.0f} tokens, {step.prompt.source}"
    if step.prompt is not None or step.expected_cost.value is not None:
        yield f"cost: {step.expected_cost.source}"
    if step.prompt is not None and step.worst_cost.source != step.expected_cost.source:
        yield f"at worst: {step.worst_cost.source}"
    if step.expected_seconds.value is not None:
        yield f"time: {step.expected_seconds.source}"
    yield f"time at worst: {step.worst_seconds.source}"
