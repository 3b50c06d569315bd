"""`orchestrator do`: a supervised run of a goal in plain words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import loop
from orchestrator.cli.commands.run import Request
from orchestrator.cli.invocation import Invocation, read_registry
from orchestrator.cli.watching import Watch

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator
    from orchestrator.client import RunHandle


def do(
    context: typer.Context,
    *,
    goal: Annotated[str, typer.Argument(help="What is to be reached, in plain words.")],
    workers: Annotated[
        str | None,
        typer.Option("--workers", help="Those that the plan may call; else as graphs/supervise.yaml says, or all.",
                     metavar="NAME,NAME"),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="What there is to begin with; may be given again.", metavar="KEY=VALUE"),
    ] = None,
    inputs_file: Annotated[
        Path | None, typer.Option("--inputs", help="A JSON file with an object of inputs.", metavar="FILE")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The tier that plans.", metavar="TIER")] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Ask a person before a plan runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end, and no progress.")] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")
    ] = None,
) -> None:  # fmt: skip
    """Reach a goal in plain words: a model plans steps over the project's workers. Ctrl-C cancels the run."""
    from orchestrator.cli.supervised import Goal, supervised

    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    named = tuple(name.strip() for name in (workers or "").split(",") if name.strip())
    asked = Goal(goal, named, model, approve)
    workflow, values = supervised(settings, read_registry(settings), asked, inputs or [], inputs_file)
    request = Request(settings, workflow, values, tenant, 0, None, True, False, as_json)
    raise typer.Exit(loop.run(execute(invocation, request)))


async def execute(invocation: Invocation, request: Request) -> int:
    """Carry it out, show its plans and return the exit code."""
    from orchestrator.app import Orchestrator

    async with Orchestrator.open(invocation.project, settings=request.settings) as app:
        handle = await app.submit(request.workflow, request.inputs, tenant=request.tenant)
        showing = None if request.as_json else asyncio.create_task(_show(app, handle), name="show plans")
        try:
            return await Watch(handle, request.workflow, request.tenant, request.as_json, showing).follow()
        finally:
            if showing is not None:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)


async def _show(app: Orchestrator, handle: RunHandle) -> None:
    from orchestrator.cli.consoles import stderr_console
    from orchestrator.cli.plan_view import show_plans

    await show_plans(app, handle, stderr_console())
