"""The table of `orchestrator pools`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from orchestrator.cli.quantities import NOTHING, duration_text
from orchestrator.cli.tables import plain_table

if TYPE_CHECKING:
    from orchestrator.store.pool_figures import PoolFigures


def pools_table(figures: Sequence[PoolFigures], limits: Mapping[str, Mapping[str, Any]]) -> Table:
    """One row a pool; what is due and nobody serves is red."""
    table = plain_table(("pool",), ("queued", "due", "running", "oldest", "wait p50", "p95", "processes", "slots"))
    table.add_column("limits", overflow="fold")
    for each in figures:
        abandoned = each.due > 0 and each.processes == 0
        table.add_row(
            each.pool,
            f"{each.queued:,}",
            f"{each.due:,}",
            f"{each.running:,}",
            duration_text(each.oldest_wait),
            duration_text(each.wait_p50),
            duration_text(each.wait_p95),
            Text(str(each.processes), style="red" if abandoned else ""),
            str(each.slots),
            Text(limits_text(limits[each.pool]), style="dim"),
        )
    return table


def limits_text(limits: Mapping[str, Any]) -> str:
    """`40 at once; research.search: 10 at once, 60/m`; a dash for none."""
    own = at_once(limits["max_running"])
    workers = [
        f"{name}: {', '.join(filter(None, (at_once(limit['max_running']), limit['rate'])))}"
        for name, limit in limits["workers"].items()
    ]
    return "; ".join(filter(None, (own, *workers))) or NOTHING


def at_once(most: int | None) -> str:
    """`10 at once`, empty for no limit."""
    return "" if most is None else f"{most:,} at once"
