"""`orchestrator plan`: what a workflow would do, without doing any of it."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.inputs import gather_inputs
from orchestrator.cli.invocation import Invocation, read_registry, read_workflow
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.workflow import Workflow


class PlanFormat(StrEnum):
    """How the forecast is shown."""

    TABLE = "table"
    MERMAID = "mermaid"
    DOT = "dot"


def plan(
    context: typer.Context,
    *,
    graph: Annotated[str, typer.Argument(help="A workflow file, or its name in the graphs folder.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", help="One input, key=value; may be given again.", metavar="KEY=VALUE"),
    ] = None,
    inputs_file: Annotated[
        Path | None, typer.Option("--inputs", help="A JSON file with an object of inputs.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    shown_as: Annotated[
        PlanFormat | None, typer.Option("--format", help="A table (the default), or a diagram's text.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose past runs count; the project's own by default.")
    ] = None,
    past: Annotated[
        bool,
        typer.Option("--past/--no-past", help="Look at past runs in a database that is configured or up already."),
    ] = True,
) -> None:
    """Show what a run would do: steps, order, pools, attempts at most, cost and time. Starts nothing."""
    from orchestrator.cli.plan_facts import gather_facts
    from orchestrator.workflow.forecast import forecast

    if as_json and shown_as is not None:
        raise InputError("--json and --format do not go together", remedy="give one of them")
    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    registry = read_registry(settings)
    workflow = read_workflow(settings, registry, graph)
    values = _known_inputs(workflow, gather_inputs(workflow.inputs, inputs or [], inputs_file))
    facts, told_by = gather_facts(settings, registry, workflow, tenant=tenant or settings.tenant, past=past)
    found = forecast(workflow, values, facts)
    if as_json:
        from orchestrator.cli.plan_json import forecast_json

        typer.echo(json.dumps(forecast_json(found, past=told_by), ensure_ascii=False))
    elif shown_as in (PlanFormat.MERMAID, PlanFormat.DOT):
        from orchestrator.cli.plan_diagrams import dot, mermaid

        typer.echo(dot(found) if shown_as is PlanFormat.DOT else mermaid(found))
    else:
        from orchestrator.cli.consoles import stdout_console
        from orchestrator.cli.plan_table import print_forecast

        print_forecast(stdout_console(), found, past=told_by)


def _known_inputs(workflow: Workflow, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs with their defaults, checked; required ones may be left out of a plan.

    Raises:
        InputsInvalid: one that was given is unknown or wrong.
    """
    known = {name: schema for name, schema in workflow.inputs.items() if name in given or "default" in schema}
    return workflow.model_copy(update={"inputs": known}).check_inputs(given)
