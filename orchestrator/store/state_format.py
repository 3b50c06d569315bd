"""How a run's state is written into checkpoints, in patches and now and then whole: no LangGraph is needed for it."""

from __future__ import annotations

from typing import Final

from pydantic import ConfigDict, TypeAdapter

from orchestrator.domain.run import Patch, RunState, whole

PATCH: Final = "patch"
"""The type under which a patch is stored."""

STATE: Final = "state"
"""The type under which a whole state is stored: as the patch that gives it."""

CHANNEL: Final = "run"
"""The supervisor graph's only channel, which the patches are written to."""

# Pydantic takes no config beside a dataclass, but beside a union, and hands it down.
_patches: Final[TypeAdapter[Patch | None]] = TypeAdapter(Patch | None, config=ConfigDict(extra="forbid"))


def write_patch(patch: Patch) -> bytes:
    """A patch as JSON, what has its default left out."""
    return _patches.dump_json(patch, exclude_defaults=True)


def read_patch(content: bytes) -> Patch:
    """The reverse of `write_patch`.

    Raises:
        ValidationError: the patch has other fields or values than this version knows.
    """
    return _patches.validate_json(content) or Patch()


def write_state(state: RunState) -> bytes:
    """A whole state as JSON; `read_patch` gives the patch that makes it of an empty one."""
    return write_patch(whole(state))
