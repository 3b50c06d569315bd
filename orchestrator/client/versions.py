"""Same name and version, another sha256: the rule of `docs/decisions/0007-versions-and-pinned-runs.md`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.domain.identity import RunId, sha_label
from orchestrator.errors import VersionTaken
from orchestrator.store import Database, runs, workflows
from orchestrator.workflow import Workflow
from orchestrator.workflow.versions import differences, moves, same_definition

if TYPE_CHECKING:
    from orchestrator.store.database import Connection


@dataclass(frozen=True, slots=True)
class PinnedRuns:
    """Unfinished runs that keep another definition of a workflow than the one at hand.

    Attributes:
        version, sha256: of the definition that they keep.
        runs: how many.
        ids: the three oldest of them at most.
        differs: where the two definitions differ, as paths.
        refuses: a submit of the definition at hand is refused until these runs have ended.
    """

    version: str
    sha256: str
    runs: int
    ids: tuple[RunId, ...]
    differs: tuple[str, ...]
    refuses: bool


async def settle_version(connection: Connection, workflow: Workflow, tenant: str, *, fresh: bool) -> str | None:
    """Apply the rule to a run that is being submitted.

    Args:
        connection: in the submit's transaction.
        workflow: what is submitted.
        tenant: whose run it is; the runs of others do not count.
        fresh: this is the first run of the definition.

    Returns:
        The sha256 of the definition that a fresh one replaces under its name and version, None where there is none.

    Raises:
        VersionTaken: the version is not a moving one, and unfinished runs hold another definition under it.
    """
    if not fresh and moves(workflow.version):
        return None
    others = await workflows.same_label(
        connection, name=workflow.name, version=workflow.version, sha256=workflow.sha256, tenant=tenant
    )
    if not moves(workflow.version):
        for other in others:
            if other.runs:
                await _refuse_unless_same(connection, workflow, other)
    return others[0].sha256 if fresh and others else None


async def pinned_runs(database: Database, workflow: Workflow, *, tenant: str | None) -> list[PinnedRuns]:
    """The unfinished runs of the workflow's name, of a tenant or of all (None), that keep another definition."""
    found = []
    for pinned in await workflows.pinned_by_runs(database, workflow.name, tenant=tenant):
        if pinned.sha256 == workflow.sha256:
            continue
        stored = await runs.get_workflow(database, pinned.sha256)
        if stored is None or same_definition(stored, workflow):
            continue
        refuses = pinned.version == workflow.version and not moves(workflow.version)
        differs = tuple(differences(stored, workflow))
        found.append(PinnedRuns(pinned.version, pinned.sha256, pinned.runs, pinned.ids, differs, refuses))
    return found


async def _refuse_unless_same(connection: Connection, workflow: Workflow, other: workflows.Pinned) -> None:
    stored = await workflows.definition(connection, other.sha256)
    if stored is None or same_definition(stored, workflow):
        return
    count = "1 unfinished run holds" if other.runs == 1 else f"{other.runs} unfinished runs hold"
    raise VersionTaken(
        f"{workflow.name} {workflow.version} is {sha_label(workflow.sha256)} now, and {count} it as "
        f"{sha_label(other.sha256)}: it differs in {', '.join(differences(stored, workflow))}"
    )
