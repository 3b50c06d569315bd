"""`orchestrator runs answer`: what waits for people, and a person's answer to it."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.invocation import Invocation
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator
    from orchestrator.store.questions import Question


@dataclass(frozen=True)
class Meant:
    """Which question the person means."""

    run_id: str
    step: str | None
    item: int | None
    tenant: str | None


def answer(
    context: typer.Context,
    *,
    run_id: Annotated[
        str | None, typer.Argument(help="A run's id, or the beginning of it; without it, all questions.", metavar="RUN")
    ] = None,
    step: Annotated[
        str | None, typer.Argument(help="The step that asks, if there are several.", metavar="STEP")
    ] = None,
    item: Annotated[int | None, typer.Option("--item", min=0, help="Which item of a foreach.", metavar="N")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option("--field", "-v", help="One field, key=value; may be given again.", metavar="KEY=VALUE"),
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", help="The whole answer, as JSON or as a file of it.", metavar="JSON|@FILE")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who answers; the user of this machine by default.", metavar="NAME")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Answer what a step asks a person, or a paused run about its budget. Without RUN, list all that waits.

    Without a value, each field is asked for on a terminal; elsewhere the form is shown.
    """
    invocation: Invocation = context.obj
    invocation.log()
    if run_id is None:
        _print_all(asyncio.run(_all(invocation, tenant)), tenant, as_json=as_json)
        return
    meant = Meant(run_id, step, item, tenant)
    if pairs or value is not None:
        question = asyncio.run(_answer(invocation, meant, pairs or [], value, by or _user()))
    else:
        question = asyncio.run(_find(invocation, meant))
        given = _prompted(question, tenant)
        asyncio.run(_give(invocation, question, given, by or _user()))
    _print_answered(question, as_json=as_json)


async def _all(invocation: Invocation, tenant: str | None) -> list[Question]:
    async with invocation.client() as app:
        return await app.questions(tenant=tenant)


async def _answer(invocation: Invocation, meant: Meant, pairs: list[str], text: str | None, by: str | None) -> Question:
    from orchestrator.cli.forms import read_answer
    from orchestrator.client.questions import give_answer

    async with invocation.client() as app:
        question = await _found(app, meant)
        await give_answer(app.database, question, read_answer(question.form, pairs, text), by=by)
        return question


async def _find(invocation: Invocation, meant: Meant) -> Question:
    async with invocation.client() as app:
        return await _found(app, meant)


async def _found(app: Orchestrator, meant: Meant) -> Question:
    from orchestrator.client.questions import find_question

    handle = await app.handle(meant.run_id, tenant=meant.tenant)
    return await find_question(app.database, handle.id, tenant=handle.tenant, step=meant.step, item=meant.item)


async def _give(invocation: Invocation, question: Question, value: Any, by: str | None) -> None:
    from orchestrator.client.questions import give_answer

    async with invocation.client() as app:
        await give_answer(app.database, question, value, by=by)


def _prompted(question: Question, tenant: str | None) -> Any:
    """What the person types, outside the event loop, where Ctrl-C would not end it.

    Raises:
        InputError: this is no terminal.
    """
    from orchestrator.cli.consoles import stderr_console
    from orchestrator.cli.forms import prompt_answer
    from orchestrator.cli.questions_view import answer_command, print_question

    print_question(stderr_console(), question)
    if not _at_terminal():
        raise InputError("no answer is given", remedy=f"give it: {answer_command(question, tenant)}")
    return prompt_answer(question.form, _ask, lambda problem: typer.secho(problem, err=True, fg="red"))


def _ask(label: str) -> str:
    said: str = typer.prompt(label, default="", show_default=False, err=True)
    return said


def _at_terminal() -> bool:
    return sys.stdin.isatty()


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None  # no such user on this machine, as in some containers


def _print_all(questions: list[Question], tenant: str | None, *, as_json: bool) -> None:
    from orchestrator.cli.consoles import stdout_console
    from orchestrator.cli.questions_view import print_waiting, question_json

    if as_json:
        typer.echo(json.dumps([question_json(each) for each in questions], default=str, ensure_ascii=False))
    elif questions:
        print_waiting(stdout_console(), questions, tenant)
    else:
        typer.echo("nothing waits for a person", err=True)


def _print_answered(question: Question, *, as_json: bool) -> None:
    from orchestrator.client.questions import where_text

    if as_json:
        typer.echo(json.dumps({"run_id": str(question.run_id), "step": question.step, "item": question.item}))
        return
    typer.echo(f"answered {where_text(question)}")
