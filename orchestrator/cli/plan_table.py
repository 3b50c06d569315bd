"""A forecast as a table with what follows from it: critical path, pools, totals, and where every figure comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.plan_texts import (
    LEVELS,
    budget_notes,
    budget_text,
    budget_troubles,
    count_text,
    items_text,
    needs_text,
    question_text,
    total_text,
    who_text,
)
from orchestrator.cli.quantities import NOTHING, cost_text, duration_text, plural
from orchestrator.cli.tables import plain_table
from orchestrator.domain.identity import sha_label
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.forecast_values import Forecast, StepForecast


def print_forecast(console: Console, forecast: Forecast, *, past: str) -> None:
    """Print everything.

    Args:
        console: where to.
        forecast: what a run would do.
        past: a sentence on the past runs behind it.
    """
    workflow = forecast.workflow
    heading = f"{workflow.name} {workflow.version} {sha_label(workflow.sha256)}"
    console.print(f"{heading} · {_sizes(forecast)} · nothing was started", markup=False)
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


def _sizes(forecast: Forecast) -> str:
    waves = max((step.wave for step in forecast.steps), default=0)
    sizes = f"{plural(len(forecast.steps), 'step')} in {plural(waves, 'wave')}"
    return sizes + (f", {len(forecast.finally_)} in finally" if forecast.finally_ else "")


def _steps_table(forecast: Forecast) -> Table:
    table = plain_table(
        ("wave", "step", "who", "pool", "needs"), ("items", "attempts", "verdicts", "cost / worst", "time / worst")
    )
    _add_rows(table, forecast, ())
    return table


def _add_rows(table: Table, forecast: Forecast, above: tuple[StepForecast, ...]) -> None:
    """The rows of a run, those of a child run indented under the step that starts it; `finally` under its name."""
    indent = "  " * len(above)
    for steps in (forecast.steps, forecast.finally_):
        if steps and steps is forecast.finally_:
            table.add_row("", Text(f"{indent}finally", style="dim"))
        for step in sorted(steps, key=lambda step: step.wave):
            table.add_row(*_cells(step, above))
            if step.child is None:
                continue
            if len(above) < LEVELS:
                _add_rows(table, step.child, (*above, step))
            else:
                table.add_row("", Text(f"{indent}  … {plural(len(step.child.all_steps), 'step')}", style="dim"))


def _cells(step: StepForecast, above: tuple[StepForecast, ...]) -> list[str | Text]:
    indent = "  " * len(above)
    name = Text(indent).append(step.spec.id + (" *" if step.critical else ""), "bold" if step.critical else "")
    if step.skipped:
        name = Text(indent).append(step.spec.id, "dim strike")
    people_only = step.spec.kind == "human" and step.attempts.value == 0
    return [
        ".".join(str(each.wave) for each in (*above, step)),
        name,
        who_text(step),
        Text(", ".join(filter(None, (step.spec.pool, step.spec.rate))) or NOTHING, style="dim"),
        needs_text(step),
        items_text(step),
        NOTHING if people_only else count_text(step.attempts),
        count_text(step.verdicts) if step.verdicts.value or step.verdicts.more else NOTHING,
        NOTHING if step.skipped or people_only else _pair(step.expected_cost, step.worst_cost, cost_text),
        NOTHING if step.skipped else _pair(step.expected_seconds, step.worst_seconds, duration_text),
    ]


def _pair(expected: Figure, worst: Figure, text: Callable[[float | None], str]) -> str:
    shown = [
        text(figure.value)
        + (" each" if figure.each and figure.value else "")
        + (f" + {text(sum(value for _, value in figure.more))} each" if figure.more else "")
        for figure in (expected, worst)
    ]
    return NOTHING if shown == [NOTHING, NOTHING] else " / ".join(shown)


def _summary(forecast: Forecast) -> Iterator[tuple[str, str]]:
    if forecast.inputs_not_given:
        yield "not given", f"the inputs {', '.join(forecast.inputs_not_given)}; a run needs them"
    yield "critical path *", f"{' → '.join(forecast.critical_path)} (by {forecast.critical_by})"
    for pool in forecast.pools:
        yield f"pool {pool.pool}", f"{', '.join(pool.steps)}: {_most(pool.attempts)}"
    yield "attempts", _most(forecast.attempts)
    yield "cost", f"expected {total_text(forecast.expected_cost, cost_text)}{_uncounted(forecast, 'expected_cost')}"
    yield "", f"at worst {total_text(forecast.worst_cost, cost_text)}{_uncounted(forecast, 'worst_cost')}"
    yield "time", f"expected {total_text(forecast.expected_seconds, duration_text)}"
    yield "", f"at worst {total_text(forecast.worst_seconds, duration_text)}, not counting waits in queues"
    if forecast.budget is not None:
        yield "budget", budget_text(forecast.budget)
        yield from (("", f"trouble: {trouble}") for trouble in budget_troubles(forecast.budget))
        yield from (("", note) for note in budget_notes(forecast.budget))
    questions = [f"{question.name}: {question_text(question)}" for question in forecast.questions] or ["never"]
    yield from zip(("asks a person", *[""] * len(questions)), questions, strict=False)


def _most(attempts: Total) -> str:
    return f"at most {total_text(attempts, lambda count: f'{count or 0:,.0f}')}"


def _uncounted(forecast: Forecast, figure: str) -> str:
    unknown = any(
        step.prompt is None and getattr(step, figure).value is None and step.spec.uses is None
        for step in _with_children(forecast.all_steps)
    )
    return ", not counting workers' own model calls" if unknown else ""


def _with_children(steps: Iterable[StepForecast]) -> Iterator[StepForecast]:
    for step in steps:
        yield step
        if step.child is not None:
            yield from _with_children(step.child.all_steps)


def _sources(forecast: Forecast) -> Iterator[str]:
    named = list(_named(forecast, ""))
    width = max((len(name) for name, _ in named), default=0)
    for name, step in named:
        if step.skipped:
            yield f"{name:<{width}}  skipped: {step.skipped}"
            continue
        yield f"{name:<{width}}  " + " · ".join(_step_sources(step))


def _named(forecast: Forecast, prefix: str) -> Iterator[tuple[str, StepForecast]]:
    """The steps of a run and of its child runs as far as they are shown, each under its full name."""
    for step in forecast.all_steps:
        name = prefix + step.spec.id
        yield name, step
        if step.child is not None and name.count("/") < LEVELS:
            yield from _named(step.child, f"{name}/")


def _step_sources(step: StepForecast) -> Iterator[str]:
    yield from (f"trouble: {trouble}" for trouble in step.troubles)
    if step.child is not None and step.child.budget is not None:
        yield from (f"trouble in each child run: {trouble}" for trouble in budget_troubles(step.child.budget))
    if step.conditional:
        yield f"only if {step.spec.when}"
    if step.items is not None:
        yield f"items: {step.items.source}"
    if step.spec.repeat is not None:
        yield f"repeat: until {step.spec.repeat.until}, {plural(step.spec.repeat.max, 'iteration')} at most"
    if step.child_runs is not None:
        yield f"child runs at most: {count_text(step.child_runs)}"
    yield from _asked(step)
    if step.prompt is not None or step.expected_cost.value is not None:
        yield f"cost: {step.expected_cost.source}"
    if (step.prompt is not None or step.child_runs is not None) and step.worst_cost.source != step.expected_cost.source:
        yield f"at worst: {step.worst_cost.source}"
    if step.expected_seconds.value is not None:
        yield f"time: {step.expected_seconds.source}"
    yield f"time at worst: {step.worst_seconds.source}"


def _asked(step: StepForecast) -> Iterator[str]:
    """What an agent's model is asked, and what it may call."""
    if step.prompt is not None:
        yield f"prompt: ~{step.prompt.value:,.0f} tokens, {step.prompt.source}"
    if step.spec.tools:
        yield f"tools: {', '.join(step.spec.tools)}, {plural(step.spec.max_turns or 1, 'turn')} at most"
