"""The tree of commands, the options that all of them share, and the one place where errors become exit codes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.commands import (
    database,
    do,
    doctor,
    initialise,
    models,
    plan,
    pools,
    run,
    runs,
    serve,
    trace,
    up,
    validate,
    workers,
)
from orchestrator.cli.failures import FAILED, INTERRUPTED, report
from orchestrator.cli.invocation import Invocation

application = typer.Typer(
    name="orchestrator",
    help="Run workflows of specialist workers: validated, durable, traced.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

application.command("init")(initialise.init)
application.command("do")(do.do)
application.command("run")(run.run)
application.command("validate")(validate.validate)
application.command("plan")(plan.plan)
application.command("pools")(pools.pools)
application.command("trace")(trace.trace)
application.command("up")(up.up)
application.command("supervisor")(serve.supervisor)
application.command("worker")(serve.worker)
application.command("doctor")(doctor.doctor)
application.add_typer(runs.group, name="runs")
application.add_typer(workers.group, name="workers")
application.add_typer(database.group, name="db")
application.add_typer(models.group, name="models")


def _version(asked: bool) -> None:
    if asked:
        from orchestrator.cli.invocation import package_version

        typer.echo(f"orchestrator {package_version()}")
        raise typer.Exit


@application.callback()
def options(
    context: typer.Context,
    project: Annotated[
        Path,
        typer.Option("--project", "-C", help="The project's folder, or one below it.", metavar="DIR"),
    ] = Path(),
    log_level: Annotated[
        str | None,
        typer.Option("--log-level", help="debug, info, warning or error; logs go to stderr.", metavar="LEVEL"),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Run workflows of specialist workers: validated, durable, traced."""
    context.obj = Invocation.of(project=project, log_level=log_level)


def main() -> None:
    """Run the command line of `sys.argv` and end the process with its exit code.

    0 succeeded, 1 the run failed, 2 the input was wrong, 3 a service could not be reached, 130 interrupted.
    """
    try:
        application()
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader (`| head`) has gone: nobody is left to tell, and the interpreter must not flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - the border of the program: every error becomes a message and a code
        sys.exit(report(error))
