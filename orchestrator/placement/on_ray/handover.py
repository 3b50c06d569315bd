"""What the nodes are given from here: names of the environment, and a database that they can reach."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from orchestrator.errors import InputError
from orchestrator.placement.on_ray.capacity import Capacity
from orchestrator.settings import Settings

PREFIX = "ORCHESTRATOR_"
DATABASE = f"{PREFIX}DATABASE_URL"


def passed_on(settings: Settings, environ: Mapping[str, str], database_url: str) -> dict[str, str]:
    """The environment that workers get over that of their node: `ORCHESTRATOR_…` and what `scaling.ray.env` names.

    Args:
        settings: the project's.
        environ: of this process.
        database_url: where the database is, wherever that was configured.

    Raises:
        InputError: a name is not set here.
    """
    named = settings.scaling.ray.env
    if missing := [name for name in named if name not in environ]:
        raise InputError(
            f"{', '.join(missing)}: to be passed to the Ray workers, but not set here",
            remedy="set it, or take it from --env and `scaling.ray.env` if the nodes have it themselves",
        )
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX) or name in named}
    return ours | {DATABASE: database_url}


def kept_back(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Names that the project's models use here and that the workers are not given."""
    used = {tier.api_key_env for tier in settings.models.values() if tier.provider == "openai"} | {"OPENAI_BASE_URL"}
    return sorted(name for name in used if environ.get(name) and name not in settings.scaling.ray.env)


def check_reach(settings: Settings, there: Capacity) -> None:
    """Refuse the embedded database where there are other machines.

    Raises:
        InputError: they could not reach it.
    """
    others = sorted({node.host for node in there.nodes} - {socket.gethostname()})
    if settings.database.url is None and others:
        raise InputError(
            f"the embedded Postgres listens on a socket of this machine, and the Ray cluster has others ({others[0]})",
            remedy=f"configure a database that every node reaches: database.url, or {DATABASE}=postgresql://…",
        )
