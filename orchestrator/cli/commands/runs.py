"""`orchestrator runs`: list runs, show how one ended, cancel one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.failures import FAILED, SUCCEEDED
from orchestrator.cli.invocation import Invocation
from orchestrator.domain.identity import sha_label
from orchestrator.domain.run import FINAL, RunStatus

if TYPE_CHECKING:
    from orchestrator.client import RunResult, RunTrace
    from orchestrator.store.runs import RunRow

group = typer.Typer(help="List, show and cancel runs.", invoke_without_command=True)

RunArgument = Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")]


@group.callback()
def default(context: typer.Context) -> None:
    """List, show and cancel runs."""
    if context.invoked_subcommand is None:
        list_runs(context)


@group.command("list")
def list_runs(
    context: typer.Context,
    *,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs of this status.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whose runs; the project's own by default.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="The runs of everybody.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the newest runs."""
    invocation: Invocation = context.obj
    invocation.log()
    found = asyncio.run(_list(invocation, tenant, status, limit, everybody=all_tenants))
    if as_json:
        typer.echo(json.dumps([_run_json(run) for run in found], default=str, ensure_ascii=False))
        return
    if not found:
        typer.echo("no runs" + (f" with status {status.value}" if status else ""), err=True)
        return
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.tables import runs_table

    stdout_console().print(runs_table(found))


async def _list(
    invocation: Invocation, tenant: str | None, status: RunStatus | None, limit: int, *, everybody: bool
) -> list[RunRow]:
    from orchestrator.client import ALL_TENANTS

    async with invocation.client() as app:
        return await app.list_runs(tenant=ALL_TENANTS if everybody else tenant, status=status, limit=limit)


def _run_json(run: RunRow) -> dict[str, Any]:
    data = dataclasses.asdict(run)
    data["error"] = run.error.as_json() if run.error else None
    return data


@group.command("show")
def show(
    context: typer.Context,
    run_id: RunArgument,
    *,
    tenant: TenantOption = None,
    output: Annotated[bool, typer.Option("--output", help="Print the whole output and nothing else.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how a run stands: its steps, cost, output, and for a failed one the root error."""
    invocation: Invocation = context.obj
    invocation.log()
    trace, result = asyncio.run(_show(invocation, run_id, tenant))
    if as_json:
        _print_json(trace, result)
    elif output:
        from orchestrator.cli.consoles import stdout_console
        from orchestrator.cli.summary import print_output

        print_output(stdout_console(), result.output if result else None)
    else:
        _print_run(trace, result, tenant)


async def _show(invocation: Invocation, run_id: str, tenant: str | None) -> tuple[RunTrace, RunResult | None]:
    async with invocation.client() as app:
        handle = await app.handle(run_id, tenant=tenant)
        trace = await handle.trace()
        return trace, await handle.result() if trace.run.status in FINAL else None


def _print_json(trace: RunTrace, result: RunResult | None) -> None:
    from orchestrator.cli.summary import result_json

    data = result_json(result, trace) if result else _run_json(trace.run)
    typer.echo(json.dumps(data, default=str, ensure_ascii=False))


def _print_run(trace: RunTrace, result: RunResult | None, tenant: str | None) -> None:
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.quantities import time_text
    from orchestrator.cli.statuses import status_text
    from orchestrator.cli.summary import print_summary
    from orchestrator.cli.tables import steps_table

    console, run = stdout_console(), trace.run
    label = f"{run.workflow} {run.version} {sha_label(run.workflow_sha256)}"
    console.print(f"{label} · tenant {run.tenant} · submitted {time_text(run.created_at)}", markup=False)
    console.print()
    if result is not None:
        print_summary(console, result, trace, tenant)
        return
    console.print(steps_table(trace))
    console.print()
    console.print(f"run {run.id} ", status_text(run.status), sep="", soft_wrap=True)


@group.command("cancel")
def cancel(
    context: typer.Context,
    run_id: RunArgument,
    *,
    tenant: TenantOption = None,
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until the cancel is confirmed.")] = 30.0,
) -> None:
    """Cancel a run, and wait until nothing of it runs any more."""
    invocation: Invocation = context.obj
    invocation.log()
    raise typer.Exit(asyncio.run(_cancel(invocation, run_id, tenant, wait)))


async def _cancel(invocation: Invocation, run_id: str, tenant: str | None, wait: float) -> int:
    async with invocation.client() as app:
        handle = await app.handle(run_id, tenant=tenant)
        await handle.cancel()
        try:
            result = await handle.result(timeout=wait)
        except TimeoutError:
            typer.echo(
                f"run {handle.id}: cancel requested, not confirmed within {wait:g} s; "
                "it is confirmed as soon as a supervisor holds the run",
                err=True,
            )
            return FAILED if wait else SUCCEEDED
    typer.echo(f"run {handle.id} {result.status}")
    return SUCCEEDED
