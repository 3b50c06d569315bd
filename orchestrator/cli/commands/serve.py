"""`orchestrator supervisor` and `orchestrator worker`: processes that serve until they are told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import loop
from orchestrator.cli.health import healthy
from orchestrator.cli.interrupts import Interrupts, on_signals
from orchestrator.cli.invocation import Invocation, read_registry
from orchestrator.cli.quantities import plural

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator

EXIT_STUCK = 70
"""Like EX_SOFTWARE: whoever supervises the process starts it again."""

_MOST_NAMED = 10

Serve = Callable[["Orchestrator", asyncio.Event], Awaitable[Sequence[object]]]
HealthOption = Annotated[
    Path | None,
    typer.Option("--health-file", help="Touched every second while this process works, for a probe.", metavar="FILE"),
]
LifelineOption = Annotated[int | None, typer.Option("--lifeline", hidden=True)]


def supervisor(context: typer.Context, health_file: HealthOption = None, lifeline: LifelineOption = None) -> None:
    """Hold runs until SIGTERM or Ctrl-C; then hand them back."""
    invocation: Invocation = context.obj
    _hold_on(invocation, lifeline)
    invocation.log("info")

    async def serve(app: Orchestrator, stop: asyncio.Event) -> Sequence[object]:
        return await app.serve_supervisor(stop)

    loop.run(_serve(invocation, "supervisor", "run", serve, health_file))


def worker(
    context: typer.Context,
    pools: Annotated[
        list[str] | None,
        typer.Option("--pool", "-p", help="A pool to serve; may be given again. All by default.", metavar="NAME"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", min=1, help="Attempts at once in this process.", metavar="N"),
    ] = None,
    health_file: HealthOption = None,
    lifeline: LifelineOption = None,
) -> None:
    """Carry out the attempts of some pools until SIGTERM or Ctrl-C; then finish or hand back what is held."""
    invocation: Invocation = context.obj
    _hold_on(invocation, lifeline)
    invocation.log("info")
    registry = read_registry(invocation.settings())
    chosen = tuple(dict.fromkeys(pools or registry.pools))
    warn_of_empty_pools(chosen, registry.pools)

    async def serve(app: Orchestrator, stop: asyncio.Event) -> Sequence[object]:
        return await app.serve_workers(stop, pools=chosen, concurrency=concurrency, on_stuck=_leave)

    loop.run(_serve(invocation, f"worker of {', '.join(chosen)}", "attempt", serve, health_file))


def _hold_on(invocation: Invocation, lifeline: int | None) -> None:
    """Do not outlive whoever started this process and handed it a lifeline."""
    if lifeline is not None:
        from orchestrator.placement.lifeline import hold_on

        hold_on(lifeline, patience=invocation.settings().worker.grace + 10.0)


def _leave(label: str) -> None:
    """End at once: code that was told to stop and does not must not outlive its lease."""
    typer.echo(f"worker: {label} does not stop; ending the process", err=True)
    os._exit(EXIT_STUCK)


def warn_of_empty_pools(chosen: Sequence[str], known: Sequence[str]) -> None:
    """Say which of the chosen pools no worker of the project is in."""
    from orchestrator.workflow.suggestions import suggest

    for pool in chosen:
        if pool not in known:
            hint = suggest(pool, known)
            message = f"no worker of this project is in pool '{pool}' unless a step sends it there"
            typer.secho(f"warning: {message}" + (f" ({hint})" if hint else ""), err=True, fg="yellow")


async def _serve(invocation: Invocation, what: str, held: str, serve: Serve, health_file: Path | None) -> None:
    from orchestrator.app import Orchestrator

    stop = asyncio.Event()
    serving = asyncio.current_task()
    assert serving is not None

    def ask() -> None:
        typer.echo(f"{what}: stopping; a second signal does not wait for what is held", err=True)
        stop.set()

    def insist() -> None:
        serving.cancel()

    with on_signals(Interrupts(ask, insist), signal.SIGINT, signal.SIGTERM):
        async with Orchestrator.open(invocation.project, settings=invocation.settings(), serve=False) as app:
            loop.settle_memory()
            typer.echo(f"{what}: serving; Ctrl-C stops it", err=True)
            async with healthy(health_file):
                handed_back = await serve(app, stop)
        typer.echo(f"{what}: stopped; {handed_back_text(handed_back, held)}", err=True)


def handed_back_text(handed_back: Sequence[object], held: str) -> str:
    """What a process gave up unfinished when it stopped; others go on with it.

    Args:
        handed_back: the names of what was held.
        held: what it is, `run` or `attempt`.
    """
    if not handed_back:
        return "nothing was left unfinished"
    named = ", ".join(str(each) for each in handed_back[:_MOST_NAMED])
    more = f" and {len(handed_back) - _MOST_NAMED} more" if len(handed_back) > _MOST_NAMED else ""
    return f"handed back {plural(len(handed_back), held)}: {named}{more}"
