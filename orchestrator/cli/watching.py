"""What follows the beginning of a run on the command line: its id, its progress, its end, and the exit code."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.failures import FAILED, INTERRUPTED, SUCCEEDED

if TYPE_CHECKING:
    from orchestrator.cli.following import Followed
    from orchestrator.cli.progress_view import ProgressView
    from orchestrator.client import RunHandle
    from orchestrator.workflow import Workflow

LAST_WORDS = 5.0
"""Seconds that whatever is shown beside a run may take to come to its end."""


@dataclass(frozen=True)
class Watch:
    """A run that was just begun, and how it is shown.

    Attributes:
        tenant: as the person gave it, None where they did not.
        as_json: one JSON object at the end, and no progress.
        beside: shows more of the run; its last words come before the end is told.
    """

    handle: RunHandle
    workflow: Workflow
    tenant: str | None
    as_json: bool
    beside: asyncio.Task[None] | None = None

    def print_begun(self) -> None:
        """Say which run it is, where nobody waits for it here."""
        if self.as_json:
            typer.echo(json.dumps({"run_id": str(self.handle.id), "status": "queued"}))
            return
        typer.echo(str(self.handle.id))
        typer.echo("it runs as soon as a supervisor is up and its workers' pools are served", err=True)

    async def follow(self) -> int:
        """Show the run until it ends, and how it ended; gives the exit code."""
        from orchestrator.cli.consoles import stderr_console
        from orchestrator.cli.following import Follower

        followed = await Follower(self.handle, self._view(), stderr_console(), self.tenant).follow()
        if followed.result is None:
            return INTERRUPTED
        if self.beside is not None:
            await asyncio.wait({self.beside}, timeout=LAST_WORDS)
        await self._print_end(followed)
        if followed.interrupted:
            return INTERRUPTED
        return SUCCEEDED if followed.result.status == "succeeded" else FAILED

    def _view(self) -> ProgressView:
        from orchestrator.cli.consoles import stderr_console
        from orchestrator.cli.progress_view import LiveView, PlainView, SilentView

        if self.as_json:
            return SilentView()
        console = stderr_console()
        title = f"{self.workflow.name} {self.workflow.version} · run {self.handle.id}"
        if console.is_terminal:
            return LiveView(console, title=title, steps=list(self.workflow.all_steps), tenant=self.tenant)
        console.print(title, markup=False, soft_wrap=True)
        return PlainView(console, self.tenant)

    async def _print_end(self, followed: Followed) -> None:
        from orchestrator.cli.consoles import stdout_console
        from orchestrator.cli.summary import print_summary, result_json

        assert followed.result is not None
        trace = await self.handle.trace()
        if self.as_json:
            typer.echo(json.dumps(result_json(followed.result, trace), ensure_ascii=False))
        else:
            print_summary(stdout_console(), followed.result, trace, self.tenant)
