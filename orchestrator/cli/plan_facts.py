"""Gathers the numbers that a forecast is made of: prices, timeouts, and past runs where a database is up already."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.domain.worker import tool_definition
from orchestrator.errors import OrchestratorError
from orchestrator.workflow.figures import Facts, ModelFacts

if TYPE_CHECKING:
    from orchestrator.domain.history import StepHistory
    from orchestrator.settings import ModelSettings, Settings
    from orchestrator.worker import Registry
    from orchestrator.workflow import Workflow

CONNECT_SECONDS = 3.0
SAMPLE_TOKENS = 1_000


@dataclass(frozen=True)
class Past:
    """What past runs say of the steps, and of those of each callee by its name; and where that was asked."""

    told_by: str
    history: dict[str, StepHistory] = field(default_factory=dict)
    callees: dict[str, dict[str, StepHistory]] = field(default_factory=dict)


def gather_facts(
    settings: Settings, registry: Registry, workflow: Workflow, *, tenant: str, past: bool
) -> tuple[Facts, str]:
    """The facts for one workflow, and a sentence on the past runs behind them.

    Args:
        settings: of the project.
        registry: its workers.
        workflow: what is planned.
        tenant: whose runs count as past ones.
        past: whether to look for past runs at all; no server is ever started for it.
    """
    from orchestrator.llm.prices import BYTES_PER_TOKEN, CAPPED_MAX_TOKENS, TOKENS_PER_MESSAGE

    found = asyncio.run(_past(settings, workflow, tenant)) if past else Past("past runs: not asked for")
    facts = Facts(
        models={tier: _model(model) for tier, model in settings.models.items()},
        timeouts={name: card.timeout for name, card in registry.catalogue.items()},
        history=found.history,
        callees=found.callees,
        bytes_per_token=BYTES_PER_TOKEN,
        tokens_per_message=TOKENS_PER_MESSAGE,
        capped_tokens=CAPPED_MAX_TOKENS,
        tenant=tenant,
        tools={name: len(json.dumps(tool_definition(card)).encode()) for name, card in registry.catalogue.items()},
    )
    return facts, found.told_by


def _model(settings: ModelSettings) -> ModelFacts:
    from orchestrator.llm.catalogue import LOCAL_MAX_TOKENS
    from orchestrator.llm.models import LOCAL_TIMEOUT
    from orchestrator.llm.prices import TokenCounts, cost

    local = settings.provider == "local"
    read = cost(settings, settings.model, TokenCounts(SAMPLE_TOKENS, 0))
    written = cost(settings, settings.model, TokenCounts(0, SAMPLE_TOKENS))
    own = settings.input_price is not None and settings.output_price is not None
    return ModelFacts(
        model=settings.model,
        input_price=None if read is None else read / SAMPLE_TOKENS,
        output_price=None if written is None else written / SAMPLE_TOKENS,
        priced_by="the local model is free" if local else f"prices of {'models.yaml' if own else 'genai-prices'}",
        max_tokens=settings.max_tokens or (LOCAL_MAX_TOKENS if local else None),
        timeout=LOCAL_TIMEOUT if local and "timeout" not in settings.model_fields_set else settings.timeout,
        calls_tools=not local,
    )


async def _past(settings: Settings, workflow: Workflow, tenant: str) -> Past:
    from orchestrator.store import Database, EmbeddedPostgres
    from orchestrator.store.history import step_history

    url = settings.database.url or await asyncio.to_thread(EmbeddedPostgres.running, settings.state_dir / "postgres")
    if url is None:
        return Past("past runs: not looked at, since no database is configured and the embedded one is not up")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            database = await Database.connect(url, size=1, timeout=CONNECT_SECONDS)
            try:
                rows = await step_history(database, workflow.name, tenant=tenant)
                below = {
                    callee.name: _kept(callee, await step_history(database, callee.name, tenant=tenant))
                    for callee in _callees(workflow)
                }
            finally:
                await database.close()
    except (OrchestratorError, TimeoutError) as error:
        why = error.message if isinstance(error, OrchestratorError) else f"no answer within {CONNECT_SECONDS:g} s"
        return Past(f"past runs: not looked at: {why}")
    kept = _kept(workflow, rows)
    return Past(_told(workflow, kept, below), kept, below)


def _callees(workflow: Workflow) -> Iterator[Workflow]:
    """The workflows that child runs carry out, at any depth; each name once."""
    seen, waiting = set[str](), list(workflow.callees)
    while waiting:
        callee = waiting.pop(0)
        if callee.name not in seen:
            seen.add(callee.name)
            waiting += callee.callees
            yield callee


def _kept(workflow: Workflow, rows: Iterable[StepHistory]) -> dict[str, StepHistory]:
    """The rows of steps that are carried out by the same worker as then."""
    spec = workflow.all_steps
    return {row.step: row for row in rows if row.step in spec and row.worker == spec[row.step].worker}


def _told(workflow: Workflow, kept: dict[str, StepHistory], below: dict[str, dict[str, StepHistory]]) -> str:
    also = ", ".join(name for name, rows in below.items() if rows)
    also = f"; also those of {also}" if also else ""
    if not kept:
        return f"past runs: no run of {workflow.name} has succeeded yet{also}"
    most = math.floor(max(row.runs for row in kept.values()))
    return (f"past runs: the newest {most} that succeeded, of any version" if most > 1 else "past runs: one") + also
