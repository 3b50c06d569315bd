"""What a version promises, and where two definitions differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from orchestrator.workflow.model import Workflow, digest

UNVERSIONED = "0"
"""The version of a workflow that gives none."""

MOVING_SUFFIX = "-dev"
DERIVED = frozenset({"line", "sha256", "refs", "payloads", "output_refs", "form"})
"""Keys of a definition that no person wrote, or that stand for the whole."""

IN_FILE = {"validators": "validate", "with_": "with", "finally_": "finally"}
"""What the file calls a key of the definition."""

_MISSING = object()


def moves(version: str) -> bool:
    """Whether the version promises nothing, so that the definition under it may change at any time."""
    return version == UNVERSIONED or version.endswith(MOVING_SUFFIX)


def same_definition(stored: dict[str, Any], workflow: Workflow) -> bool:
    """Whether a stored definition is this workflow, though another version of this package wrote it down.

    A newer package adds keys with defaults, and with them the digest of every workflow changes.
    """
    try:
        return digest(Workflow.from_json(stored)) == workflow.sha256
    except ValidationError:
        return False  # this package cannot read it any more


def differences(stored: dict[str, Any], workflow: Workflow, *, most: int = 3) -> list[str]:
    """Where a stored definition and this workflow differ, as paths like `steps.write.prompt`, `most` of them.

    A last entry `… 4 more` counts the rest.
    """
    found = list(dict.fromkeys(_paths(_shown(stored), _shown(workflow.to_json()), ())))
    return found if len(found) <= most else [*found[:most], f"… {len(found) - most} more"]


def _shown(definition: dict[str, Any]) -> dict[str, Any]:
    """As its file says it: without what follows from the rest, and with the file's own keys."""
    rest = {IN_FILE.get(key, key): value for key, value in definition.items() if key not in DERIVED}
    return rest | {key: {name: _step(step) for name, step in rest.get(key, {}).items()} for key in ("steps", "finally")}


def _step(step: dict[str, Any]) -> dict[str, Any]:
    named = {**IN_FILE, "output": "form"} if step["kind"] == "human" else IN_FILE
    return {named.get(key, key): value for key, value in step.items() if key not in DERIVED}


def _paths(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[str]:
    deep = len(path) < 3 and isinstance(old, dict) and isinstance(new, dict)
    if not deep:
        if old != new:
            yield ".".join(path)
        return
    for key in dict.fromkeys((*new, *old)):
        yield from _paths(old.get(key, _MISSING), new.get(key, _MISSING), (*path, key))
    if old == new and list(old) != list(new):
        yield ".".join((*path, "order"))
