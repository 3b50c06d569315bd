"""The report has a place for each benchmark, and only that place is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.measure import Figure, figure_of, json_lines, percentile, table
from tests.benchmarks.registry import BENCHMARKS
from tests.benchmarks.report import END, write

REPORT = Path(__file__).parents[3] / "docs" / "benchmarks.md"


def test_a_figure_is_the_median_of_its_repetitions() -> None:
    figure = figure_of("b", "us", [3.0, 1.0, 2.0], "s", {"peer": 2.5})
    assert figure == Figure("b", "us", 2.0, "s", (1.0, 3.0), {"peer": 2.5})
    assert table([figure]).splitlines()[2] == "| b | us | 2.00 s | 1.00 to 3.00 | 2.50 (peer) |"
    assert '"ratios": {"peer": 2.5}' in json_lines([figure])


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], fraction) for fraction in (0.0, 0.5, 0.95)] == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_its_place_in_the_report(name: str) -> None:
    assert REPORT.read_text().count(f"<!-- figures: {name} -->") == 1


def test_only_the_table_of_one_benchmark_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text(f"head\n<!-- figures: one -->\nold\n{END}\nmiddle\n<!-- figures: two -->\nkept\n{END}\ntail\n")
    write(path, "one", [figure_of("b", "us", [1.0], "s")], remark="warning: noisy")
    text = path.read_text()
    assert "old" not in text
    assert "Warning: noisy." in text
    assert text.startswith("head\n<!-- figures: one -->\n\nMeasured on ")
    assert text.endswith(
        f"| b | us | 1.00 s | 1.00 to 1.00 |  |\n\n{END}\nmiddle\n<!-- figures: two -->\nkept\n{END}\ntail\n"
    )
    with pytest.raises(ValueError, match="three"):
        write(path, "three", [])
