"""Finds a workflow file by its path or by its name in the project's graphs folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.settings import Settings

SUFFIXES = (".yaml", ".yml")


def graph_path(settings: Settings, graph: str | Path) -> Path | None:
    """The workflow file that `graph` means, or None when there is none.

    Args:
        settings: of the project.
        graph: a path as seen from the working directory, the project's root or its graphs folder; or a plain
            name, which is looked up in the graphs folder.
    """
    return next((path for path in _candidates(settings, Path(graph)) if path.is_file()), None)


def _candidates(settings: Settings, graph: Path) -> Iterator[Path]:
    folder = settings.root / settings.graphs
    if graph.suffix in SUFFIXES:
        yield from (graph, settings.root / graph, folder / graph)
    else:
        yield from (folder / f"{graph}{suffix}" for suffix in SUFFIXES)
        if len(graph.parts) > 1:
            yield from (graph, settings.root / graph)
