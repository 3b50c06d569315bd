"""A warning for a pool's name that is perhaps mistyped."""

from __future__ import annotations

from collections.abc import Sequence

import typer


def warn_of_empty_pools(chosen: Sequence[str], known: Sequence[str]) -> None:
    """Say which of the chosen pools no worker of the project is in."""
    from orchestrator.workflow.suggestions import suggest

    for pool in chosen:
        if pool not in known:
            hint = suggest(pool, known)
            message = f"no worker of this project is in pool '{pool}' unless a step sends it there"
            typer.secho(f"warning: {message}" + (f" ({hint})" if hint else ""), err=True, fg="yellow")
