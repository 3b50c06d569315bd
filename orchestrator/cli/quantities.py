"""Durations, tokens, costs and ids as short texts, the same everywhere on the command line."""

from __future__ import annotations

import shlex
import uuid
from datetime import datetime

NOTHING = "-"
SHORT_ID = 13


def duration_text(seconds: float | None) -> str:
    """`340 ms`, `4.2 s`, `2 m 05 s`, `1 h 04 m`; a dash for None."""
    if seconds is None:
        return NOTHING
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def between(start: float | None, end: float | None) -> float | None:
    """Seconds from `start` to `end` (Unix seconds), None unless both are known; never negative."""
    if start is None or end is None:
        return None
    return max(0.0, end - start)


def cost_text(usd: float | None) -> str:
    """`$0`, `$0.0031`, `$1.24`; a dash where no price is known."""
    if usd is None:
        return NOTHING
    if usd == 0:
        return "$0"
    if usd < 0.000_05:
        return "<$0.0001"
    return f"${usd:.4f}" if usd < 0.1 else f"${usd:,.2f}"


def tokens_text(input_tokens: int, output_tokens: int) -> str:
    """`3,412 → 812` (in → out); a dash when no model was called."""
    if not input_tokens and not output_tokens:
        return NOTHING
    return f"{input_tokens:,} → {output_tokens:,}"


def bytes_text(size: int) -> str:
    """`812 B`, `3.4 kB`, `1.2 GB`."""
    amount, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if amount >= 99.95 or units[0] == "B" else f"{amount:.1f} {units[0]}"


def sum_costs(costs: list[float | None]) -> float | None:
    """The sum of the known costs, None when none is known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def short_id(run_id: uuid.UUID) -> str:
    """The first 13 characters of a run id: its millisecond, so that it stays unique to people."""
    return str(run_id)[:SHORT_ID]


def run_argument(run_id: uuid.UUID, tenant: str | None) -> str:
    """A run as the next command has to be given it: with the tenant, where the person gave one for this command."""
    return short_id(run_id) + (f" --tenant {shlex.quote(tenant)}" if tenant else "")


def time_text(at: float | None) -> str:
    """A local date and time of day to the second; a dash for None."""
    return NOTHING if at is None else datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
