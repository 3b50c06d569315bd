"""`orchestrator runs`: list runs, show how one stands, cancel one; the group's other commands have their own files."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.commands.answer import answer
from orchestrator.cli.commands.forks import fork, retry
from orchestrator.cli.commands.history import history
from orchestrator.cli.event_lines import fork_text
from orchestrator.cli.failures import FAILED, SUCCEEDED
from orchestrator.cli.invocation import Invocation
from orchestrator.cli.quantities import duration_text
from orchestrator.domain.identity import sha_label
from orchestrator.domain.run import FINAL, RunStatus
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.client import RunResult, RunTrace
    from orchestrator.store.questions import Question
    from orchestrator.store.runs import RunRow

group = typer.Typer(help="List, show, answer, cancel, fork and retry runs.", invoke_without_command=True)

group.command("answer")(answer)
group.command("fork")(fork)
group.command("retry")(retry)
group.command("history")(history)

RunArgument = Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")]


@dataclasses.dataclass(frozen=True)
class Whose:
    """The runs of a tenant (None: the project's own), or of everybody."""

    tenant: str | None
    everybody: bool


@group.callback()
def default(context: typer.Context) -> None:
    """List, show, answer, cancel, fork and retry runs."""
    if context.invoked_subcommand is None:
        list_runs(context)


@group.command("list")
def list_runs(
    context: typer.Context,
    *,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs of this status.")] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whose runs; the project's own by default.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="The runs of everybody.")] = False,
    children: Annotated[bool, typer.Option("--children", help="Also runs that a step of another run began.")] = False,
    dead: Annotated[
        bool,
        typer.Option("--dead", help="Only runs, wherever they began, that failed by a step whose tries are used up."),
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the newest runs."""
    invocation: Invocation = context.obj
    invocation.log()
    whose = Whose(tenant, all_tenants)
    if dead and status not in {None, RunStatus.FAILED}:
        raise InputError(f"--dead lists failed runs, and --status asks for {status} ones", remedy="leave one out")
    found = asyncio.run(_list(invocation, whose, status, limit, children=children, dead=dead))
    if as_json:
        typer.echo(json.dumps([_run_json(run) for run in found], default=str, ensure_ascii=False))
        return
    if not found:
        which = " with a dead letter" if dead else f" with status {status.value}" if status else ""
        typer.echo(f"no runs{which}", err=True)
        return
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.tables import runs_table

    stdout_console().print(runs_table(found))


async def _list(
    invocation: Invocation, whose: Whose, status: RunStatus | None, limit: int, *, children: bool, dead: bool
) -> list[RunRow]:
    from orchestrator.client import ALL_TENANTS

    async with invocation.client() as app:
        tenant = ALL_TENANTS if whose.everybody else whose.tenant
        return await app.list_runs(tenant=tenant, status=status, limit=limit, children=children, dead=dead)


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
    found = asyncio.run(_show(invocation, run_id, tenant))
    if as_json:
        typer.echo(json.dumps(_shown_json(found), default=str, ensure_ascii=False))
    elif output:
        from orchestrator.cli.consoles import stdout_console
        from orchestrator.cli.summary import print_output

        print_output(stdout_console(), found.result.output if found.result else None)
    else:
        _print_run(found, tenant)


@dataclasses.dataclass(frozen=True)
class Shown:
    """A run as it stands; the result is there once it has ended, questions only before."""

    trace: RunTrace
    result: RunResult | None
    questions: list[Question]


async def _show(invocation: Invocation, run_id: str, tenant: str | None) -> Shown:
    async with invocation.client() as app:
        handle = await app.handle(run_id, tenant=tenant)
        trace = await handle.trace()
        if trace.run.status in FINAL:
            return Shown(trace, await handle.result(), [])
        return Shown(trace, None, await handle.questions())


def _shown_json(found: Shown) -> dict[str, Any]:
    from orchestrator.cli.questions_view import question_json
    from orchestrator.cli.summary import children_json, result_json

    if found.result is not None:
        return result_json(found.result, found.trace)
    questions = [question_json(each) for each in found.questions]
    return _run_json(found.trace.run) | {"questions": questions, "children": children_json(found.trace)}


def _print_run(found: Shown, tenant: str | None) -> None:
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.quantities import time_text
    from orchestrator.cli.standing import print_standing
    from orchestrator.cli.summary import print_summary

    console, run = stdout_console(), found.trace.run
    label = f"{run.workflow} {run.version} {sha_label(run.workflow_sha256)}"
    console.print(f"{label} · tenant {run.tenant} · submitted {time_text(run.created_at)}", markup=False)
    if run.parent_run is not None:
        console.print(f"began by step {run.parent_step} of run {run.parent_run}", markup=False, soft_wrap=True)
    if run.fork is not None:
        console.print(fork_text(run.forked_from, run.fork), markup=False, soft_wrap=True)
    console.print()
    if found.result is not None:
        print_summary(console, found.result, found.trace, tenant)
    else:
        print_standing(console, found.trace, found.questions, tenant)


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
        begun = time.monotonic()
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
    typer.echo(f"run {handle.id} {result.status}, confirmed after {duration_text(time.monotonic() - begun)}")
    return SUCCEEDED
