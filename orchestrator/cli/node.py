"""One line of the trace tree."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.domain.outcome import Usage


@dataclass
class Node:
    """One line of the tree. Times are Unix seconds; `wait` is the seconds it stood in its queue."""

    label: str
    status: str = ""
    start: float | None = None
    end: float | None = None
    wait: float | None = None
    usage: Usage = field(default_factory=Usage)
    children: list[Node] = field(default_factory=list)
