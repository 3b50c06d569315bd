"""From a workflow's text to a pinned `Workflow`, or to all of its mistakes at once."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from orchestrator.domain.worker import Catalogue
from orchestrator.errors import Problem, WorkflowError
from orchestrator.workflow.loading import Loading
from orchestrator.workflow.model import Workflow
from orchestrator.workflow.reading import why_unreadable
from orchestrator.workflow.yaml_nodes import LONGEST_TEXT


def load_workflow(
    path: Path, *, catalogue: Catalogue | None = None, model_tiers: Collection[str] | None = None
) -> Workflow:
    """Load a workflow file; prompt files, used files and the workflows that it runs are read relative to it.

    Args:
        path: the file; shown in messages as it is given.
        catalogue: the registered workers and validators; None leaves their names unchecked.
        model_tiers: the tiers of `configs/models.yaml`; None leaves their names unchecked.

    Raises:
        WorkflowError: with every mistake in the file and those that it runs, or that it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(LONGEST_TEXT + 1)
    except (OSError, ValueError) as error:
        problem = Problem(str(path), 1, 1, f"cannot read the workflow: {why_unreadable(error)}")
        raise WorkflowError([problem]) from error
    return parse_workflow(text, file=str(path), folder=path.parent, catalogue=catalogue, model_tiers=model_tiers)


def parse_workflow(
    text: str,
    *,
    file: str,
    folder: Path | None,
    catalogue: Catalogue | None = None,
    model_tiers: Collection[str] | None = None,
) -> Workflow:
    """Parse a workflow's text.

    Args:
        text: YAML.
        file: what messages call it.
        folder: where other files are looked for; None refuses them.
        catalogue: as for `load_workflow`.
        model_tiers: as for `load_workflow`.

    Raises:
        WorkflowError: with every mistake in the text.
    """
    loading = Loading(catalogue, model_tiers)
    loaded = loading.parse(text, file, folder, _first(file, folder))
    if loaded is None:
        raise WorkflowError(loading.found)
    return loaded.workflow


def _first(file: str, folder: Path | None) -> tuple[Path, ...]:
    return () if folder is None else ((folder / Path(file).name).resolve(),)
