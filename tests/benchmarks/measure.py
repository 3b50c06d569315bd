"""What a measurement is, and how it is printed: a table for people, JSON lines for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

US = "orchestrator"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        benchmark: what was measured.
        subject: who: `orchestrator`, or the peer.
        value, unit: the median of the repetitions.
        spread: lowest and highest repetition.
        ratios: to each peer of the same run, by its name; above 1 is better for us. Empty for a peer itself or where
            there is none.
    """

    benchmark: str
    subject: str
    value: float
    unit: str
    spread: tuple[float, float]
    ratios: Mapping[str, float] = field(default_factory=dict)


def figure_of(
    benchmark: str, subject: str, values: Sequence[float], unit: str, ratios: Mapping[str, float] | None = None
) -> Figure:
    """The figure of some repetitions."""
    return Figure(benchmark, subject, statistics.median(values), unit, (min(values), max(values)), ratios or {})


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(fraction * len(ordered)) - 1))]


async def alternate(subjects: Sequence[Callable[[], Awaitable[None]]], repetitions: int) -> None:
    """Run each subject once a round, so that a drifting machine is fair to all."""
    for _ in range(repetitions):
        for subject in subjects:
            await subject()


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
    rows = ["| benchmark | who | median | lowest to highest | ratio to the peer |", "|---|---|---:|---:|---|"]
    for figure in figures:
        low, high = figure.spread
        ratios = ", ".join(f"{_number(ratio, 2)} ({peer})" for peer, ratio in figure.ratios.items())
        rows.append(
            f"| {figure.benchmark} | {figure.subject} | {_number(figure.value)} {figure.unit} "
            f"| {_number(low)} to {_number(high)} | {ratios} |"
        )
    return "\n".join(rows)


def _number(value: float, least: int = 1) -> str:
    """With so many decimals at least, and two below ten."""
    return f"{value:,.{max(least, 2) if abs(value) < 10 else least}f}"


def json_lines(figures: Sequence[Figure]) -> str:
    """The figures as one JSON object a line, with the machine and the date."""
    about = {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    return "\n".join(json.dumps(asdict(figure) | about) for figure in figures)
