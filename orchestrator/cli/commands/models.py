"""`orchestrator models`: which model each tier is and why, and to fetch the local one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from typing import Annotated

import typer

from orchestrator.cli.invocation import Invocation

group = typer.Typer(help="List the model of every tier, or fetch the local one.", no_args_is_help=True)


@group.command("list")
def list_models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the model of every tier and why it is that one, and how the local model stands."""
    from orchestrator.llm import local_model_status, resolve_tiers

    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    tiers = resolve_tiers(settings)
    local = local_model_status(settings.state_dir, os.environ)
    if as_json:
        shown = {"tiers": [dataclasses.asdict(tier) for tier in tiers], "local": dataclasses.asdict(local)}
        typer.echo(json.dumps(shown, default=str))
        return
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.tables import plain_table

    table = plain_table(("tier", "model", "server", "why"))
    for tier in tiers:
        table.add_row(tier.tier, tier.model, tier.base_url or "on this machine", tier.why)
    stdout_console().print(table)
    state = "fetched" if local.pulled else f"not fetched ({local.size // 1_000_000} MB)"
    running = f", running as process {local.pid}" if local.pid else ""
    typer.echo(f"\nlocal model {local.name}: {state}{running}\n  {local.path}")


@group.command("pull")
def pull(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Fetch it even if it is there.")] = False,
) -> None:
    """Fetch the local model's file, once for this user."""
    from orchestrator.llm import pull_model

    invocation: Invocation = context.obj
    invocation.log()
    path = asyncio.run(pull_model(os.environ, force=force, report=lambda line: typer.echo(line, err=True)))
    typer.echo(str(path))
