"""`orchestrator validate`: every mistake of some workflows, each with file, line and column."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.failures import SUCCEEDED, exit_code, report
from orchestrator.cli.invocation import Invocation, read_registry, read_workflow
from orchestrator.cli.quantities import plural
from orchestrator.errors import InputError


def validate(
    context: typer.Context,
    graphs: Annotated[list[str], typer.Argument(help="Workflow files, or names in the graphs folder.")],
) -> None:
    """Check workflows without running anything; exit code 2 when one has mistakes."""
    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    registry = read_registry(settings)
    code = SUCCEEDED
    for graph in graphs:
        try:
            workflow = read_workflow(settings, registry, graph)
        except InputError as error:
            report(error)
            code = exit_code(error)
            continue
        pools = sorted({step.pool for step in workflow.steps.values()})
        typer.secho("ok", fg="green", nl=False)
        typer.echo(
            f"  {graph}: {workflow.name} {workflow.version}, {plural(len(workflow.steps), 'step')}, "
            f"{plural(len(pools), 'pool')} ({', '.join(pools)})"
        )
    raise typer.Exit(code)
