"""One call of a worker or tool within an agent's attempt: the same checks as for an attempt of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.outcome import Usage
from orchestrator.domain.payload import Payload, decode
from orchestrator.worker.child import run_in_child
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.effects import Ledger, LedgerRow
from orchestrator.worker.invocation import as_payload, invoke
from orchestrator.worker.threads import Stop


class ToolStop(Stop):
    """Ends the thread of a tool that is sync; it is left behind when its attempt is."""

    def __init__(self, outer: Stop) -> None:
        self._outer = outer
        super().__init__()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the thread any more."""
        return self._outer.abandoned

    @abandoned.setter
    def abandoned(self, value: bool) -> None:
        """Only the attempt is left behind, and its tools with it."""


class ToolLedger:
    """The attempt's effect ledger, in which every tool call has keys of its own.

    A later attempt's agent that calls the same tool with the same arguments meets the same keys.
    """

    def __init__(self, ledger: Ledger, prefix: str) -> None:
        self._ledger = ledger
        self._prefix = prefix

    async def claim(self, key: str) -> LedgerRow:
        """Note that the tool is about to do the effect, or learn that an earlier call has."""
        return await self._ledger.claim(self._prefix + key)

    async def confirm(self, key: str, result: Any) -> None:
        """Note that it was done."""
        await self._ledger.confirm(self._prefix + key, result)


class ToolContext(Context):
    """The attempt as a tool sees it: its own input, effects and idempotency key; the rest is the agent's."""

    def __init__(self, outer: Context, worker: str, arguments: Mapping[str, Any], stop: Stop) -> None:
        name = f"{worker}/{_digest(arguments)}"
        assignment = replace(
            outer.assignment,
            worker=worker,
            input=dict(arguments),
            idempotency_key=f"{outer.idempotency_key}/{name}",
            feedback=(),
            rejected=None,
            last_heartbeat=None,
        )
        self.ledger = ToolLedger(outer._ledger, f"{name}/")
        self.secrets = dict(outer._secrets)
        self._outer = outer
        super().__init__(
            assignment,
            journal=outer.journal,
            ledger=self.ledger,
            models=outer._models,
            secrets=self.secrets,
            stopped=stop.requested,
            loop=outer._loop,
            capture=outer._capture,
            database_url=outer._database_url,
            tracing=outer.tracing,
            stop=stop,
        )
        self._limits = outer._limits  # one allowance for all of the attempt

    def add_usage(self, usage: Usage) -> None:
        """Count it on the agent's attempt, too."""
        super().add_usage(usage)
        self._outer.add_usage(usage)


async def call_worker(worker: Worker[..., Any], arguments: Mapping[str, Any], outer: Context, *, max_bytes: int) -> Any:
    """Call a worker or tool for the agent whose attempt `outer` is; gives its checked output as plain JSON.

    Raises:
        TimeoutError: it took longer than it declares.
        AttemptError: its input or output is wrong; and whatever it raises.
    """
    stop = ToolStop(outer.stop)
    ctx = ToolContext(outer, worker.name, arguments, stop)
    limit = worker.card.timeout
    try:
        async with asyncio.timeout(limit) as timer:
            return decode((await _payload(worker, dict(arguments), ctx, stop, max_bytes)).data)
    except TimeoutError as error:
        if timer.expired():
            raise TimeoutError(f"not done after {limit:g}s (its timeout)") from error
        raise
    finally:
        outer.journal.rest()  # the idle timer that its heartbeats began is over with it


async def _payload(
    worker: Worker[..., Any], arguments: dict[str, Any], ctx: ToolContext, stop: Stop, limit: int
) -> Payload:
    if worker.card.process:
        return await run_in_child(
            worker,
            arguments,
            ctx.assignment,
            journal=ctx.journal,
            ledger=ctx.ledger,
            secrets=ctx.secrets,
            database_url=ctx._database_url,
            max_bytes=limit,
            clean=ctx.journal.clean,
        )
    return as_payload(worker, await invoke(worker, arguments, ctx, stop), max_bytes=limit)


def _digest(arguments: Mapping[str, Any]) -> str:
    text = json.dumps(arguments, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
