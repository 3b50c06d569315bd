"""What people see on a terminal: nothing that is shown may steer it, and narrow pages keep words whole."""

from __future__ import annotations

import io

import pytest
from rich.text import Text

from orchestrator.cli.consoles import SafeConsole
from orchestrator.cli.tables import plain_table

TITLE = "\x1b]0;owned\x07"


def shown(*what: object, width: int = 80, **options: bool) -> str:
    console = SafeConsole(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    console.print(*what, **options)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("wrap", [True, False])
def test_control_characters_are_shown_as_signs(wrap: bool) -> None:
    text = shown(Text(f"a{TITLE}\x1b[2J\x9b\x7f\nb\tü✓"), soft_wrap=wrap)
    assert "\x1b" not in text
    assert text.startswith("a␛]0;owned")
    assert "␛[2J\ufffd␡\nb" in text
    assert "ü✓" in text


def test_the_consoles_own_colours_still_work() -> None:
    console = SafeConsole(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(f"red{TITLE}", style="red"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().startswith("\x1b[31mred␛]0;owned")


def test_a_narrow_table_breaks_its_headers_before_its_words() -> None:
    table = plain_table(("run", "workflow", "status", "started"), ("time", "tokens in → out", "cost / worst"))
    cells = ("01a1ff69-eaaf", "hello 0.1.0 #e863252a", "✓ succeeded", "2026-11-21 18:41:33")
    table.add_row(*cells, "146 ms", "50 → 29", "$0.0003")
    wide, narrow = shown(table, width=140), shown(table, width=80)
    assert "  tokens in → out  cost / worst" in wide
    for word in " ".join(cells).split():
        assert word in narrow
    assert [line.rstrip() for line in narrow.splitlines()][1].endswith("in → out   worst")
    assert max(map(len, narrow.splitlines())) <= 80
