"""`orchestrator doctor`: is everything there that a run needs? One line each, with a remedy."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.invocation import Invocation

if TYPE_CHECKING:
    from orchestrator.cli.checkup import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check what a run needs; exit code 3 when a service cannot be reached."""
    from orchestrator.cli.checkup import worst

    invocation: Invocation = context.obj
    invocation.log("error")
    findings = asyncio.run(_collect(invocation, quiet=as_json))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], ensure_ascii=False))
    raise typer.Exit(worst(findings))


async def _collect(invocation: Invocation, *, quiet: bool) -> list[Finding]:
    from orchestrator.cli.checkup import examine

    findings = []
    async for finding in examine(invocation):
        findings.append(finding)
        if not quiet:
            _print(finding)
    return findings


def _print(finding: Finding) -> None:
    typer.secho(f"{finding.state:<5}", fg=_COLOURS[finding.state], nl=False)
    typer.echo(f"{finding.name:<16} {finding.detail}")
    if finding.remedy:
        typer.secho(f"      {'':<16} {finding.remedy}", fg="cyan")
