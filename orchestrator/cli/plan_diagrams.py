"""A forecast as a diagram's text, for Mermaid or Graphviz. A child run is drawn inside the step that starts it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.cli.plan_texts import LEVELS, assignee_text, count_text, who_text
from orchestrator.cli.quantities import plural
from orchestrator.workflow.forecast_values import Forecast, StepForecast

SUCCEEDED = ("succeeded",)
MERMAID_SIGNS = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "#": "&num;", "`": "&#96;"}
MERMAID_SHAPES = {"agent": ("(", ")"), "human": ("[/", "/]")}

Path = tuple[str, ...]
"""A step's id, below those of the steps whose child runs it belongs to."""


def mermaid(forecast: Forecast) -> str:
    """A Mermaid flowchart. Ids get a prefix, since a step may be called `end` or `style`, which Mermaid takes amiss."""
    lines = ["flowchart LR", *_mermaid_run(forecast, ()), *_mermaid_classes(forecast)]
    return "\n".join(lines)


def _mermaid_run(forecast: Forecast, above: Path) -> Iterator[str]:
    """The nodes of a run, the edges between them, and its `finally` as a group that comes after the rest."""
    margin = "    " * (len(above) + 1)
    for step in forecast.steps:
        yield from _mermaid_step(step, above)
    for step in forecast.steps:
        yield from _mermaid_edges(step, above)
    if not forecast.finally_:
        return
    group = _mermaid_id((*above, "")) + "FINALLY"
    yield f'{margin}subgraph {group}["finally"]'
    for step in forecast.finally_:
        yield from _mermaid_step(step, above)
    yield f"{margin}end"
    for step in forecast.finally_:
        yield from _mermaid_edges(step, above)
    yield from (f"{margin}{_mermaid_id((*above, name))} -.-> {group}" for name in _last(forecast.steps))


def _mermaid_step(step: StepForecast, above: Path) -> Iterator[str]:
    margin, path = "    " * (len(above) + 1), (*above, step.spec.id)
    label = "<br/>".join(_mermaid_text(line) for line in _label(step))
    if step.child is None or len(above) >= LEVELS:
        left, right = MERMAID_SHAPES.get(step.spec.kind, ("[", "]"))
        yield f'{margin}{_mermaid_id(path)}{left}"{label}"{right}'
        return
    yield f'{margin}subgraph {_mermaid_id(path)}["{label}"]'
    yield from _mermaid_run(step.child, path)
    yield f"{margin}end"


def _mermaid_edges(step: StepForecast, above: Path) -> Iterator[str]:
    margin, arrow = "    " * (len(above) + 1), "-.->" if step.conditional or step.skipped else "-->"
    for needed, allowed in step.spec.needs.items():
        says = "" if allowed == SUCCEEDED else f'|"{_mermaid_text(" or ".join(allowed))}"|'
        yield f"{margin}{_mermaid_id((*above, needed))} {arrow}{says} {_mermaid_id((*above, step.spec.id))}"


def _mermaid_id(path: Path) -> str:
    """Steps have lower-case ids, so that what parts them in capitals makes no two paths alike."""
    return "step_" + "IN".join(path)


def _mermaid_text(text: str) -> str:
    return "".join(MERMAID_SIGNS.get(sign, sign) for sign in " ".join(text.split()))


def _mermaid_classes(forecast: Forecast) -> Iterator[str]:
    drawn = list(_drawn(forecast, ()))
    classes = {
        "critical": ("stroke-width:3px", [path for path, step in drawn if step.critical]),
        "skipped": ("stroke-dasharray:4 4", [path for path, step in drawn if step.skipped]),
    }
    for name, (style, paths) in classes.items():
        if paths:
            yield f"    classDef {name} {style}"
            yield f"    class {','.join(_mermaid_id(path) for path in paths)} {name}"


def dot(forecast: Forecast) -> str:
    """A Graphviz digraph: one rank a wave, the critical path in bold."""
    lines = [
        f"digraph {_dot_text(forecast.workflow.name)} {{",
        "    rankdir=LR;",
        *(["    newrank=true;"] if any(_inside(step, ()) for step in forecast.all_steps) else []),
        '    node [shape=box, fontname="Helvetica"];',
        *_dot_run(forecast, ()),
        "}",
    ]
    return "\n".join(lines)


def _dot_run(forecast: Forecast, above: Path) -> Iterator[str]:
    margin = "    " * (len(above) + 1)
    for step in forecast.steps:
        yield from _dot_step(step, above)
    if forecast.finally_:
        yield f"{margin}subgraph {_dot_text('/'.join(('cluster', *above, 'FINALLY')))} {{"
        yield f'{margin}    label="finally";'
        for step in forecast.finally_:
            yield from _dot_step(step, above)
        yield f"{margin}}}"
    for wave in forecast.waves:
        yield f"{margin}{{ rank=same; {' '.join(_dot_id((*above, name)) + ';' for name in wave)} }}"
    critical = {step.spec.id for step in forecast.steps if step.critical}
    for step in forecast.all_steps:
        yield from _dot_edges(step, above, critical)
    if forecast.finally_:
        yield from _dot_order(forecast, above)


def _dot_step(step: StepForecast, above: Path) -> Iterator[str]:
    """A node; where it starts child runs, in a box with what one of them does."""
    margin, path = "    " * (len(above) + 1), (*above, step.spec.id)
    node = f"{_dot_id(path)} [label={_dot_text(*_label(step))}, style={_dot_text(_dot_style(step))}];"
    child = _inside(step, above)
    if child is None:
        yield margin + node
        return
    yield f"{margin}subgraph {_dot_text('/'.join(('cluster', *path)))} {{"
    yield f"{margin}    label={_dot_text(child.workflow.name)};"
    yield f"{margin}    {node}"
    yield from _dot_run(child, path)
    first = (inner.spec.id for inner in child.steps if not inner.spec.needs)
    yield from (f"{margin}    {_dot_id(path)} -> {_dot_id((*path, name))} [style=dotted];" for name in first)
    yield f"{margin}}}"


def _dot_edges(step: StepForecast, above: Path, critical: set[str]) -> Iterator[str]:
    for needed, allowed in step.spec.needs.items():
        attributes = [] if allowed == SUCCEEDED else [f"label={_dot_text(' or '.join(allowed))}"]
        attributes += ["style=bold"] if {needed, step.spec.id} <= critical else []
        shown = f" [{', '.join(attributes)}]" if attributes else ""
        ends = f"{_dot_id((*above, needed))} -> {_dot_id((*above, step.spec.id))}"
        yield f"{'    ' * (len(above) + 1)}{ends}{shown};"


def _dot_order(forecast: Forecast, above: Path) -> Iterator[str]:
    """Dotted edges to `finally` from what nothing else waits for."""
    margin = "    " * (len(above) + 1)
    for last in _last(forecast.steps):
        for step in forecast.finally_:
            if not step.spec.needs:
                yield f"{margin}{_dot_id((*above, last))} -> {_dot_id((*above, step.spec.id))} [style=dotted];"


def _dot_id(path: Path) -> str:
    return _dot_text("/".join(path))


def _dot_style(step: StepForecast) -> str:
    styles = ["rounded"] if step.spec.kind == "agent" else []
    styles += ["bold"] if step.critical else []
    styles += ["dashed"] if step.conditional or step.skipped else []
    return ",".join(styles) or "solid"


def _dot_text(*lines: str) -> str:
    """A quoted dot string. Only quotes and backslashes mean something in it; lines are parted by an escape."""
    escaped = (" ".join(line.split()).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'


def _label(step: StepForecast) -> Iterator[str]:
    yield step.spec.id
    yield who_text(step)
    if step.spec.pool:
        yield f"pool {step.spec.pool}"
    if step.skipped:
        yield f"skipped: {step.skipped}"
        return
    if step.items is not None:
        yield "n items" if step.items.value is None else plural(int(step.items.value), "item")
    if step.spec.repeat is not None:
        yield f"up to {plural(step.spec.repeat.max, 'iteration')}"
    if step.question is not None and step.question.after:
        yield f"may ask {assignee_text(step.question.assignee)}"
    if step.spec.kind != "human" or step.attempts.value:
        yield f"attempts at most: {count_text(step.attempts)}"


def _inside(step: StepForecast, above: Path) -> Forecast | None:
    """The child run as far as it is drawn."""
    return step.child if len(above) < LEVELS else None


def _drawn(forecast: Forecast, above: Path) -> Iterator[tuple[Path, StepForecast]]:
    for step in forecast.all_steps:
        path = (*above, step.spec.id)
        yield path, step
        child = _inside(step, above)
        if child is not None:
            yield from _drawn(child, path)


def _last(steps: Iterable[StepForecast]) -> list[str]:
    """The steps that nothing waits for."""
    found = list(steps)
    needed = {name for step in found for name in step.spec.needs}
    return [step.spec.id for step in found if step.spec.id not in needed]
