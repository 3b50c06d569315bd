"""`orchestrator runs fork` and `runs retry`: new runs that reuse what another has settled."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import loop
from orchestrator.cli.failures import SUCCEEDED
from orchestrator.cli.inputs import parse_value, split_pair
from orchestrator.cli.invocation import Invocation
from orchestrator.cli.watching import Watch
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from orchestrator.client import RunHandle

RunArgument = Annotated[str, typer.Argument(help="A run's id, or the beginning of it.", metavar="RUN")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose run it is; the project's own by default.")]
DetachOption = Annotated[
    bool, typer.Option("--detach", help="Begin it only and print its id; other processes do the work.")
]
ServeOption = Annotated[
    bool, typer.Option("--serve/--no-serve", help="Do the work in this process, or only watch other processes do it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end, and no progress.")]


@dataclass(frozen=True)
class Manner:
    """How the new run is begun and shown."""

    tenant: str | None
    detach: bool
    serve: bool
    as_json: bool


def fork(
    context: typer.Context,
    *,
    run_id: RunArgument,
    step: Annotated[str, typer.Argument(help="A step that has settled; done again with all behind it.")],
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", help="Laid over the step's `with`; may be given again.", metavar="KEY=VALUE"),
    ] = None,
    with_json: Annotated[
        str | None, typer.Option("--with-json", help="The same as one JSON object.", metavar="JSON")
    ] = None,
    detach: DetachOption = False,
    serve: ServeOption = True,
    as_json: JsonOption = False,
    tenant: TenantOption = None,
) -> None:
    """Begin a new run that reuses what RUN has settled, and does STEP and all behind it again."""

    async def begin(source: RunHandle) -> RunHandle:
        overlay = read_overlay(with_ or [], with_json, await source.overlay(step) if with_ else {})
        return await source.fork(step=step, with_=overlay)

    _begin(context.obj, run_id, begin, Manner(tenant, detach, serve and not detach, as_json))


def retry(
    context: typer.Context,
    *,
    run_id: RunArgument,
    step: Annotated[str | None, typer.Option("--step", help="Only this one, and what lies behind it.")] = None,
    detach: DetachOption = False,
    serve: ServeOption = True,
    as_json: JsonOption = False,
    tenant: TenantOption = None,
) -> None:
    """Begin a new run that reuses what went well in RUN, and tries again what failed or was cancelled."""

    async def begin(source: RunHandle) -> RunHandle:
        return await source.retry(step=step)

    _begin(context.obj, run_id, begin, Manner(tenant, detach, serve and not detach, as_json))


def _begin(
    invocation: Invocation, run_id: str, begin: Callable[[RunHandle], Awaitable[RunHandle]], manner: Manner
) -> None:
    invocation.log()
    raise typer.Exit(loop.run(_execute(invocation, run_id, begin, manner)))


async def _execute(
    invocation: Invocation, run_id: str, begin: Callable[[RunHandle], Awaitable[RunHandle]], manner: Manner
) -> int:
    from orchestrator.app import Orchestrator

    opened = (
        Orchestrator.open(invocation.project, settings=invocation.settings()) if manner.serve else invocation.client()
    )
    async with opened as app:
        handle = await begin(await app.handle(run_id, tenant=manner.tenant))
        watch = Watch(handle, await handle.workflow(), manner.tenant, manner.as_json)
        if manner.detach:
            watch.print_begun()
            return SUCCEEDED
        return await watch.follow()


def read_overlay(
    pairs: Sequence[str], text: str | None, schemas: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """What is laid over a step's `with`, None for nothing; a `key=value` wins over the same key of the JSON object.

    Args:
        pairs: `key=value` texts, read by the type that the key has in `schemas`.
        text: a JSON object.
        schemas: a JSON Schema for each key, as far as it is known.

    Raises:
        InputError: a pair has no `=`, a value cannot be read, or the text is no JSON object.
    """
    values: dict[str, Any] = {}
    if text is not None:
        try:
            values = json.loads(text)
        except ValueError as error:
            raise InputError(f"--with-json is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise InputError("--with-json must be one JSON object", remedy="""for example --with-json '{"limit": 5}'""")
    for pair in pairs:
        key, value = split_pair(pair)
        try:
            values[key] = parse_value(schemas.get(key, {}), value)
        except ValueError as error:
            raise InputError(f"--with {key}: {error}") from error
    return values or None
