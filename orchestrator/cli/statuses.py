"""The sign and colour of every status, the same in the live view, the tables and the tree."""

from __future__ import annotations

from rich.text import Text

SIGNS: dict[str, tuple[str, str]] = {
    "waiting": ("·", "dim"),
    "queued": ("·", "dim"),
    "running": ("●", "cyan"),
    "cancelling": ("●", "yellow"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "lost": ("✗", "red"),
    "timed_out": ("✗", "red"),
    "skipped": ("○", "dim"),
    "cancelled": ("○", "yellow"),
    "superseded": ("○", "dim"),
}


def status_text(status: str) -> Text:
    """A status with its sign, coloured."""
    sign, style = SIGNS.get(status, ("?", ""))
    return Text(f"{sign} {status.replace('_', ' ')}", style=style)
