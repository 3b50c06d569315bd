"""`orchestrator runs history`: what the supervisor of a run knew, checkpoint by checkpoint."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import loop
from orchestrator.cli.invocation import Invocation

if TYPE_CHECKING:
    from orchestrator.client import Moment


def history(
    context: typer.Context,
    *,
    run_id: Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")
    ] = None,
) -> None:
    """Show what the supervisor of RUN knew, checkpoint by checkpoint."""
    invocation: Invocation = context.obj
    invocation.log()
    loop.run(_history(invocation, run_id, tenant, as_json=as_json))


async def _history(invocation: Invocation, run_id: str, tenant: str | None, *, as_json: bool) -> None:
    async with invocation.client() as app:
        handle = await app.handle(run_id, tenant=tenant)
        async for moment in handle.history():
            _print(moment, as_json=as_json)


def _print(moment: Moment, *, as_json: bool) -> None:
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.moments import moment_json, moment_lines

    if as_json:
        typer.echo(json.dumps(moment_json(moment), ensure_ascii=False))
        return
    for line in moment_lines(moment):
        stdout_console().print(line, markup=False, highlight=False, soft_wrap=True)
