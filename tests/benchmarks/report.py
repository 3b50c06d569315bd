"""Puts figures into the report: each benchmark's table stands between two marks, and all else is kept."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Figure, machine, table

END = "<!-- end of figures -->"


def write(path: Path, name: str, figures: Sequence[Figure], *, remark: str = "") -> None:
    """Replace one benchmark's table.

    Args:
        path: of the report.
        name: of the benchmark; its mark is `<!-- figures: NAME -->`.
        figures: what was measured.
        remark: what the reader should know of this measurement.

    Raises:
        ValueError: the report has no place for this benchmark.
    """
    begin = f"<!-- figures: {name} -->"
    about = f"Measured on {time.strftime('%Y-%m-%d')}: {machine()}." + (f" {remark.capitalize()}." if remark else "")
    block = f"{begin}\n\n{about}\n\n{table(figures)}\n\n{END}"
    text, count = re.subn(
        f"{re.escape(begin)}.*?{re.escape(END)}", lambda _: block, path.read_text(), count=1, flags=re.DOTALL
    )
    if count == 0:
        raise ValueError(f"{path} has no {begin} … {END}")
    path.write_text(text)
