"""The trace tree on the terminal: guides, times, tokens, cost, and a bar that shows when each part ran."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.event_lines import first_line
from orchestrator.cli.node import Node
from orchestrator.cli.quantities import between, cost_text, duration_text, tokens_text
from orchestrator.cli.statuses import SIGNS
from orchestrator.cli.tree import Trouble

BAR_WIDTH = 24
_NARROW = 100
_NUMBERS = ("wait", "time", "tokens in → out", "cost")
_GAP = 2
_SHORTEST_LABEL = 20
_SIGNS = SIGNS | {"passed": ("✓", "green"), "rejected": ("✗", "red")}
_LONGEST_LABEL = 96


def print_tree(console: Console, root: Node, *, now: float | None = None) -> None:
    """Print a trace. A part that still runs is drawn up to `now` (Unix seconds, the clock's time by default)."""
    now = time.time() if now is None else now
    start = _earliest(root)
    end = max(root.end or now, start if start is not None else now)
    nodes = list(_walk(root))
    numbers = [_numbers(node, now) for _, node in nodes]
    bars = console.width >= _NARROW and start is not None
    widths = [
        max(len(column), *(cell.cell_len for cell in found))
        for column, found in zip(_NUMBERS, zip(*numbers, strict=True), strict=True)
    ]
    taken = sum(widths) + _GAP * len(widths) + (BAR_WIDTH + _GAP if bars else 0)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    table.add_column(
        "trace", no_wrap=True, overflow="ellipsis", max_width=max(_SHORTEST_LABEL, console.width - taken - _GAP)
    )
    for column, width in zip(_NUMBERS, widths, strict=True):
        table.add_column(column, justify="right", no_wrap=True, min_width=width)
    if bars:
        table.add_column("when", no_wrap=True, min_width=BAR_WIDTH)
    for (guide, node), cells in zip(nodes, numbers, strict=True):
        when = [bar(node, start, end, now)] if bars and start is not None else []
        table.add_row(_label(guide, node), *cells, *when)
    console.print(table)


def print_troubles(console: Console, troubles: Sequence[Trouble]) -> None:
    """Print every rejection and error in full below the tree, where lines are cut."""
    if not troubles:
        return
    console.print()
    console.print(Text("what went wrong on the way", style="bold"))
    for trouble in troubles:
        head = Text.assemble((f"  {trouble.where} ", ""), (trouble.what, "red"))
        console.print(head, soft_wrap=True)
        for line in trouble.message.splitlines():
            console.print(Text(f"    {line}", style="dim"), soft_wrap=True)


def _walk(node: Node, guide: str = "", below: str = "") -> Iterator[tuple[str, Node]]:
    yield guide, node
    for index, child in enumerate(node.children):
        last = index == len(node.children) - 1
        yield from _walk(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def _label(guide: str, node: Node) -> Text:
    text = Text(guide, style="dim")
    sign, style = _SIGNS.get(node.status, ("", ""))
    if sign:
        text.append(f"{sign} ", style=style)
    bad = node.status in {"failed", "rejected", "lost", "timed_out"}
    text.append(first_line(node.label, _LONGEST_LABEL), style="red" if bad else "")
    return text


def _numbers(node: Node, now: float) -> list[Text]:
    used = node.usage
    timed = node.start is not None
    return [
        Text("" if node.wait is None else duration_text(node.wait), style="dim"),
        Text(duration_text(between(node.start, node.end or now)) if timed else ""),
        Text(tokens_text(used.input_tokens, used.output_tokens) if used.input_tokens else ""),
        Text(cost_text(used.cost_usd) if used.cost_usd is not None else ""),
    ]


def _earliest(root: Node) -> float | None:
    starts = [node.start - (node.wait or 0.0) for _, node in _walk(root) if node.start is not None]
    return min(starts, default=None)


def bar(node: Node, start: float, end: float, now: float, width: int = BAR_WIDTH) -> Text:
    """When a part waited (·) and ran (█) within the whole run, `width` characters wide."""
    if node.start is None:
        return Text("")
    scale = width / max(end - start, 1e-9)

    def column(at: float) -> int:
        return min(width, max(0, int((at - start) * scale)))

    began = min(column(node.start), width - 1)
    ended = max(began + 1, column(node.end or now))
    waited = min(column(node.start - (node.wait or 0.0)), began)
    style = _SIGNS.get(node.status, ("", "cyan"))[1] or "cyan"
    return Text.assemble(
        " " * waited, ("·" * (began - waited), "dim"), ("█" * (ended - began), style), " " * (width - ended)
    )
