"""What `worker.test(…)` does: one call with everything in memory, no server."""

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


@dataclass(slots=True)
class _Row:
    state: str
    result: Any = None


@dataclass(slots=True)
class MemoryLedger:
    """An effect ledger for one test."""

    rows: dict[str, _Row] = field(default_factory=dict)

    async def claim(self, key: str) -> _Row:
        """New the first time; confirmed or in doubt after."""
        if key in self.rows:
            return self.rows[key]
        self.rows[key] = _Row("in_doubt")
        return _Row("new")

    async def confirm(self, key: str, result: Any) -> None:
        """Note the result."""
        self.rows[key] = _Row("confirmed", result)


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
    ) -> BaseChatModel:
        """The model given for the tier.

        Raises:
            ModelUnavailable: none was given.
        """
        if tier not in self._models:
            given = ", ".join(self._models) or "none"
            raise ModelUnavailable(f"the test gave no model for the tier {tier!r} (it gave {given})")
        return self._models[tier]


async def try_out(
    worker: Worker[..., Any],
    value: Any,
    *,
    secrets: Mapping[str, str] | None,
    database_url: str,
    models: Any,
    judged_input: Any,
    feedback: tuple[str, ...],
    rejected: Any,
    last_heartbeat: Any,
) -> Any:
    """Run the worker once; the arguments are those of `Worker.test`."""
    stop = Stop()
    plain = to_jsonable_python(value, fallback=str)
    assignment = Assignment(
        run_id=new_run_id(),
        step="test",
        worker=worker.name,
        workflow="test",
        idempotency_key="test",
        input=judged_input if worker.card.kind is WorkerKind.VALIDATOR else plain,
        feedback=feedback,
        rejected=rejected,
        last_heartbeat=last_heartbeat,
    )
    source = FixedModels(models) if isinstance(models, Mapping) else models
    ctx = Context(
        assignment,
        journal=Journal(),
        ledger=MemoryLedger(),
        models=cast("ModelSource | None", source),
        secrets=secrets,
        database_url=database_url,
        stopped=stop.requested,
        loop=asyncio.get_running_loop(),
    )
    result = await invoke(worker, value, ctx, stop)
    as_json(worker, result)
    return result
