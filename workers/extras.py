"""Libraries of the extra `specialists`, imported where they are used: who does not use them does not need them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from workers.failures import Refused

EXTRA = "specialists"


def needed(module: str, purpose: str) -> Any:
    """The module, imported now.

    Args:
        module: e.g. `duckdb`.
        purpose: what cannot be done without it, for the message.

    Raises:
        Refused: `extra_missing`, with the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise Refused(
            "extra_missing",
            f"{purpose} needs {package}, which is not installed: pip install 'graph-orchestrator[{EXTRA}]'",
        ) from error
