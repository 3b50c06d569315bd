"""`orchestrator validate`: every mistake of some workflows, each with its place; and which runs keep an older one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.failures import BAD_INPUT, SUCCEEDED, exit_code, report
from orchestrator.cli.invocation import Invocation, read_registry, read_workflow
from orchestrator.cli.quantities import plural, short_id
from orchestrator.domain.identity import sha_label
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.client import AllTenants, PinnedRuns
    from orchestrator.workflow import Workflow


def validate(
    context: typer.Context,
    graphs: Annotated[list[str], typer.Argument(help="Workflow files, or names in the graphs folder.")],
    *,
    against_running: Annotated[
        bool,
        typer.Option(
            "--against-running",
            help="Say which unfinished runs in the database keep another definition; exit code 2 when a run of "
            "this one would be refused.",
        ),
    ] = False,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whose runs; the project's own by default.")] = None,
    all_tenants: Annotated[bool, typer.Option("--all-tenants", help="The runs of everybody.")] = False,
) -> None:
    """Check workflows without running anything; exit code 2 when one has mistakes."""
    invocation: Invocation = context.obj
    invocation.log()
    settings = invocation.settings()
    registry = read_registry(settings)
    code, sound = SUCCEEDED, list[tuple[str, "Workflow"]]()
    for graph in graphs:
        try:
            sound.append((graph, read_workflow(settings, registry, graph)))
        except InputError as error:
            report(error)
            code = exit_code(error)
            continue
        if not against_running:
            _print_sound(*sound[-1])
    if against_running and sound:
        from orchestrator.client import ALL_TENANTS

        whose = ALL_TENANTS if all_tenants else tenant
        found = asyncio.run(_pinned(invocation, [workflow for _, workflow in sound], whose))
        for (graph, workflow), pinned in zip(sound, found, strict=True):
            _print_sound(graph, workflow)
            _print_pinned(workflow, pinned)
            if any(each.refuses for each in pinned):
                code = BAD_INPUT
    raise typer.Exit(code)


async def _pinned(
    invocation: Invocation, workflows: Sequence[Workflow], tenant: str | AllTenants | None
) -> list[list[PinnedRuns]]:
    async with invocation.client() as app:
        return [await app.pinned_runs(workflow, tenant=tenant) for workflow in workflows]


def _print_sound(graph: str, workflow: Workflow) -> None:
    from orchestrator.workflow.ladder import attempts_by_pool

    pools = sorted({pool for step in workflow.all_steps.values() for pool in attempts_by_pool(step)})
    named = f" ({', '.join(pools)})" if pools else ""
    typer.secho("ok", fg="green", nl=False)
    typer.echo(
        f"  {graph}: {workflow.name} {workflow.version} {sha_label(workflow.sha256)}, "
        f"{plural(len(workflow.steps), 'step')}, {plural(len(pools), 'pool')}{named}"
    )


def _print_pinned(workflow: Workflow, pinned: Sequence[PinnedRuns]) -> None:
    if not pinned:
        typer.echo(f"    no unfinished run of {workflow.name} keeps another definition")
        return
    for each in pinned:
        ids = ", ".join(short_id(run_id) for run_id in each.ids) + (", …" if each.runs > len(each.ids) else "")
        keeps, goes = ("keeps", "goes") if each.runs == 1 else ("keep", "go")
        label = f"{workflow.name} {each.version} {sha_label(each.sha256)}"
        typer.echo(
            f"    {plural(each.runs, 'unfinished run')} {keeps} {label} and {goes} on unaffected ({ids}); "
            f"differs in {', '.join(each.differs)}"
        )
    if any(each.refuses for each in pinned):
        typer.secho(
            f"    a run of this file is refused until they have ended (ORC-151): raise `version` above "
            f"{workflow.version}, or let it end with -dev while you edit",
            fg="yellow",
        )
