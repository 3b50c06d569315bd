"""What `worker.test(…)` and `testing.try_worker(…)` do: one call with everything in memory, no server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_jsonable_python

from orchestrator.domain.identity import new_run_id
from orchestrator.domain.outcome import Usage
from orchestrator.domain.worker import WorkerKind
from orchestrator.errors import ModelUnavailable
from orchestrator.worker.context import Assignment, Context, ModelSource
from orchestrator.worker.declaration import Worker
from orchestrator.worker.invocation import as_json, invoke
from orchestrator.worker.journal import Journal
from orchestrator.worker.threads import Stop

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from orchestrator.llm.allowance import Allowance


@dataclass(slots=True)
class MemoryRow:
    """An effect: `new`, `confirmed` or `in_doubt`, and what was confirmed."""

    state: str
    result: Any = None


@dataclass(slots=True)
class MemoryLedger:
    """An effect ledger for one test."""

    rows: dict[str, MemoryRow] = field(default_factory=dict)

    async def claim(self, key: str) -> MemoryRow:
        """New the first time; confirmed or in doubt after."""
        if key in self.rows:
            return self.rows[key]
        self.rows[key] = MemoryRow("in_doubt")
        return MemoryRow("new")

    async def confirm(self, key: str, result: Any) -> None:
        """Note the result."""
        self.rows[key] = MemoryRow("confirmed", result)


class FixedModels:
    """Chat models given by tier."""

    def __init__(self, models: Mapping[str, BaseChatModel]) -> None:
        self._models = models

    async def chat(
        self,
        tier: str,
        *,
        on_usage: Callable[[Usage], None],
        capture: bool = True,
        price_cap_usd: float | None = None,
        allowance: Allowance | None = None,
    ) -> BaseChatModel:
        """The model given for the tier.

        Raises:
            ModelUnavailable: none was given.
        """
        if tier not in self._models:
            given = ", ".join(self._models) or "none"
            raise ModelUnavailable(f"the test gave no model for the tier {tier!r} (it gave {given})")
        return self._models[tier]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a call without a server takes for granted; the attributes are arguments of `Worker.test`.

    Attributes:
        number: which try it is, from 1.
        idempotency_key: what `ctx.idempotency_key` says.
        judged_input: for a validator, the `with` of the step that it judges.
        models: tier to chat model, or an object with `chat` like `orchestrator.llm.Models`.
    """

    secrets: Mapping[str, str] | None = None
    models: Any = None
    judged_input: Any = None
    feedback: tuple[str, ...] = ()
    rejected: Any = None
    last_heartbeat: Any = None
    number: int = 1
    idempotency_key: str = "test"
    database_url: str = ""


def make_context(
    worker: Worker[..., Any],
    value: Any,
    told: Circumstances,
    *,
    stop: Stop,
    journal: Journal | None = None,
    ledger: MemoryLedger | None = None,
) -> Context:
    """The context of a call, on the running event loop; with everything in memory."""
    judging = worker.card.kind is WorkerKind.VALIDATOR
    assignment = Assignment(
        run_id=new_run_id(),
        step="test",
        worker=worker.name,
        workflow="test",
        number=told.number,
        idempotency_key=told.idempotency_key,
        input=told.judged_input if judging else to_jsonable_python(value, fallback=str),
        feedback=told.feedback,
        rejected=told.rejected,
        last_heartbeat=told.last_heartbeat,
    )
    source = FixedModels(told.models) if isinstance(told.models, Mapping) else told.models
    return Context(
        assignment,
        journal=journal or Journal(),
        ledger=ledger or MemoryLedger(),
        models=cast("ModelSource | None", source),
        secrets=told.secrets,
        database_url=told.database_url,
        stopped=stop.requested,
        loop=asyncio.get_running_loop(),
    )


async def try_out(worker: Worker[..., Any], value: Any, told: Circumstances) -> Any:
    """Run the worker once, and give what it returned."""
    stop = Stop()
    result = await invoke(worker, value, make_context(worker, value, told, stop=stop), stop)
    as_json(worker, result)
    return result
