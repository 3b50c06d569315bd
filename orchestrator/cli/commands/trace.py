"""`orchestrator trace`: what a run did, as a tree."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.invocation import Invocation
from orchestrator.errors import NotFound

if TYPE_CHECKING:
    from orchestrator.client import RunTrace


def trace(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")],
    *,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")
    ] = None,
    step: Annotated[str | None, typer.Option("--step", help="Only this step.")] = None,
    all_items: Annotated[bool, typer.Option("--all", help="Every item of every foreach.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The stored rows as one JSON object.")] = False,
) -> None:
    """Draw a run's steps, attempts, model calls and verdicts with their times, tokens and costs."""
    invocation: Invocation = context.obj
    invocation.log()
    stored = asyncio.run(_read(invocation, run_id, tenant))
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(stored), default=str, ensure_ascii=False))
        return
    print_trace(stored, step=step, all_items=all_items)


async def _read(invocation: Invocation, run_id: str, tenant: str | None) -> RunTrace:
    async with invocation.client() as app:
        handle = await app.handle(run_id, tenant=tenant)
        return await handle.trace()


def print_trace(stored: RunTrace, *, step: str | None, all_items: bool) -> None:
    """Print the tree, then every rejection and error in full.

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
    tree = TraceTree(stored, all_items=all_items)
    console.print(f"run {stored.run.id} · tenant {stored.run.tenant}", markup=False, soft_wrap=True)
    if stored.run.status == "failed":
        print_root_error(console, stored, stored.run.error)
    console.print()
    print_tree(console, tree.root(step))
    troubles = [found for found in tree.troubles() if step is None or found.step == step]
    print_troubles(console, troubles)
