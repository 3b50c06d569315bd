"""What a measurement is, and how it is printed: a table for people, JSON lines for machines."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        benchmark: what was measured.
        subject: who: `orchestrator`, or the peer.
        value, unit: the median of the repetitions.
        spread: lowest and highest repetition.
        ratio: to the peer of the same run; above 1 is better for us. None for a peer itself or where there is none.
    """

    benchmark: str
    subject: str
    value: float
    unit: str
    spread: tuple[float, float]
    ratio: float | None = None


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(fraction * len(ordered)) - 1))]


def machine() -> str:
    """Cores, memory, Python and the processor's name, for the report."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Python {platform.python_version()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = ["| benchmark | who | median | lowest to highest | ratio to the peer |", "|---|---|---:|---:|---:|"]
    for figure in figures:
        low, high = figure.spread
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        rows.append(
            f"| {figure.benchmark} | {figure.subject} | {figure.value:,.1f} {figure.unit} "
            f"| {low:,.1f} to {high:,.1f} | {ratio} |"
        )
    return "\n".join(rows)


def json_lines(figures: Sequence[Figure]) -> str:
    """The figures as one JSON object a line, with the machine and the date."""
    about = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    return "\n".join(json.dumps(asdict(figure) | about) for figure in figures)
