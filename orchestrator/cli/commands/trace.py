"""`orchestrator trace`: what a run did, as a tree."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.invocation import Invocation
from orchestrator.domain.identity import RunId
from orchestrator.errors import NotFound

if TYPE_CHECKING:
    from orchestrator.client import RunTrace


MOST_RUNS_BELOW = 50


def trace(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")],
    *,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")
    ] = None,
    step: Annotated[str | None, typer.Option("--step", help="Only this step.")] = None,
    all_items: Annotated[bool, typer.Option("--all", help="Every item of every foreach, every run of a step.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The stored rows as one JSON object.")] = False,
) -> None:
    """Draw a run's steps, attempts, model calls and verdicts with their times, tokens and costs."""
    invocation: Invocation = context.obj
    invocation.log()
    most = 0 if as_json else 10_000 if all_items else MOST_RUNS_BELOW
    stored, below = asyncio.run(_read(invocation, run_id, tenant, most))
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(stored), default=str, ensure_ascii=False))
        return
    print_trace(stored, step=step, all_items=all_items, below=below)


async def _read(
    invocation: Invocation, run_id: str, tenant: str | None, most_below: int
) -> tuple[RunTrace, dict[RunId, RunTrace]]:
    """The trace of a run, and those of the runs below it by their id, at most so many."""
    async with invocation.client() as app:
        handle = await app.handle(run_id, tenant=tenant)
        stored = await handle.trace()
        below: dict[RunId, RunTrace] = {}
        ahead = [run.id for run in stored.children]
        while ahead and len(below) < most_below:
            child = ahead.pop(0)
            below[child] = await handle.child(child).trace()
            ahead += [run.id for run in below[child].children]
        return stored, below


def print_trace(
    stored: RunTrace, *, step: str | None, all_items: bool, below: Mapping[RunId, RunTrace] | None = None
) -> None:
    """Print the tree, then every rejection and error in full.

    Args:
        stored: the trace of the run.
        step: only this step.
        all_items: every item of every `foreach`.
        below: the traces of the runs that steps began, by their id.

    Raises:
        NotFound: the run has no step of that name.
    """
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.summary import print_root_error
    from orchestrator.cli.tree import TraceTree
    from orchestrator.cli.tree_view import print_tree, print_troubles
    from orchestrator.workflow.suggestions import suggest

    known = [row.step for row in stored.steps]
    if step is not None and step not in known:
        raise NotFound(f"the run has no step '{step}'", remedy=suggest(step, known))
    console = stdout_console()
    tree = TraceTree(stored, all_items=all_items, below=below)
    console.print(f"run {stored.run.id} · tenant {stored.run.tenant}", markup=False, soft_wrap=True)
    if stored.run.status == "failed":
        print_root_error(console, stored, stored.run.error)
    console.print()
    print_tree(console, tree.root(step))
    troubles = [found for found in tree.troubles() if step is None or found.step == step]
    print_troubles(console, troubles)
