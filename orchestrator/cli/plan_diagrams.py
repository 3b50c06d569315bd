"""A forecast as a diagram's text, for Mermaid or Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.plan_table import count_text, who_text
from orchestrator.cli.quantities import plural
from orchestrator.workflow.forecast import Forecast, StepForecast

SUCCEEDED = ("succeeded",)
MERMAID_SIGNS = {"&": "&amp;", '"': "&quot;", "<": "&lt;", ">": "&gt;", "#": "&num;", "`": "&#96;"}


def mermaid(forecast: Forecast) -> str:
    """A Mermaid flowchart. Ids get a prefix, since a step may be called `end` or `style`, which Mermaid takes amiss."""
    lines = ["flowchart LR"]
    for step in forecast.steps:
        left, right = ("(", ")") if step.spec.kind == "agent" else ("[", "]")
        label = "<br/>".join(_mermaid_text(line) for line in _label(step))
        lines.append(f'    {_mermaid_id(step.spec.id)}{left}"{label}"{right}')
    for step in forecast.steps:
        arrow = "-.->" if step.conditional or step.skipped else "-->"
        for needed, allowed in step.spec.needs.items():
            says = "" if allowed == SUCCEEDED else f'|"{_mermaid_text(" or ".join(allowed))}"|'
            lines.append(f"    {_mermaid_id(needed)} {arrow}{says} {_mermaid_id(step.spec.id)}")
    lines += _mermaid_classes(forecast)
    return "\n".join(lines)


def dot(forecast: Forecast) -> str:
    """A Graphviz digraph: one rank a wave, the critical path in bold."""
    lines = [
        f"digraph {_dot_text(forecast.workflow.name)} {{",
        "    rankdir=LR;",
        '    node [shape=box, fontname="Helvetica"];',
    ]
    for step in forecast.steps:
        attributes = [f"label={_dot_text(*_label(step))}", f'style="{_dot_style(step)}"']
        lines.append(f"    {_dot_text(step.spec.id)} [{', '.join(attributes)}];")
    for wave in forecast.waves:
        lines.append(f"    {{ rank=same; {' '.join(_dot_text(name) + ';' for name in wave)} }}")
    critical = {step.spec.id for step in forecast.steps if step.critical}
    for step in forecast.steps:
        for needed, allowed in step.spec.needs.items():
            attributes = [] if allowed == SUCCEEDED else [f"label={_dot_text(' or '.join(allowed))}"]
            attributes += ["style=bold"] if {needed, step.spec.id} <= critical else []
            shown = f" [{', '.join(attributes)}]" if attributes else ""
            lines.append(f"    {_dot_text(needed)} -> {_dot_text(step.spec.id)}{shown};")
    return "\n".join([*lines, "}"])


def _label(step: StepForecast) -> Iterator[str]:
    yield step.spec.id
    yield who_text(step)
    yield f"pool {step.spec.pool}"
    if step.skipped:
        yield f"skipped: {step.skipped}"
        return
    if step.items is not None:
        yield "n items" if step.items.value is None else plural(int(step.items.value), "item")
    yield f"attempts at most: {count_text(step.attempts)}"


def _mermaid_id(step: str) -> str:
    return f"step_{step}"


def _mermaid_text(text: str) -> str:
    return "".join(MERMAID_SIGNS.get(sign, sign) for sign in " ".join(text.split()))


def _mermaid_classes(forecast: Forecast) -> Iterator[str]:
    classes = {
        "critical": ("stroke-width:3px", [step for step in forecast.steps if step.critical]),
        "skipped": ("stroke-dasharray:4 4", [step for step in forecast.steps if step.skipped]),
    }
    for name, (style, steps) in classes.items():
        if steps:
            yield f"    classDef {name} {style}"
            yield f"    class {','.join(_mermaid_id(step.spec.id) for step in steps)} {name}"


def _dot_style(step: StepForecast) -> str:
    styles = ["rounded"] if step.spec.kind == "agent" else []
    styles += ["bold"] if step.critical else []
    styles += ["dashed"] if step.conditional or step.skipped else []
    return ",".join(styles) or "solid"


def _dot_text(*lines: str) -> str:
    """A quoted dot string. Only quotes and backslashes mean something in it; lines are parted by an escape."""
    escaped = (" ".join(line.split()).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(escaped) + '"'
