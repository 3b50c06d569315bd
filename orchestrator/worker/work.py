"""The code of one attempt: from the claimed row to the payload that will be stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt, Purpose
from orchestrator.domain.payload import Payload, decode
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import AGENT_POOL, AGENT_WORKER, JUDGE_WORKER, PLANNER_WORKER, WorkerCard, WorkerKind
from orchestrator.errors import SecretMissing, UnknownWorker
from orchestrator.store.blobs import get_blobs
from orchestrator.store.database import Database
from orchestrator.store.effects import EffectRow, claim_effect, confirm_effect
from orchestrator.telemetry import Redactor, Tracing
from orchestrator.worker.agent import run_agent
from orchestrator.worker.child import run_in_child
from orchestrator.worker.context import Assignment, Context, ModelSource
from orchestrator.worker.declaration import Worker
from orchestrator.worker.invocation import as_payload, invoke
from orchestrator.worker.journal import Journal
from orchestrator.worker.large_values import beside_the_loop
from orchestrator.worker.registry import Registry
from orchestrator.worker.signature import read_signature
from orchestrator.worker.speech import Speech
from orchestrator.worker.threads import Stop
from orchestrator.worker.toolbox import ToolMaker


@dataclass(frozen=True, slots=True)
class Services:
    """What attempts need of their process.

    Attributes:
        environ: where secrets are looked up.
        max_output_bytes: of one output.
        redactor: hides what is secret in this process.
        captures: whether what models say may be kept.
    """

    database: Database
    registry: Registry
    agent: Worker[..., Any]
    judge: Worker[..., Any]
    planner: Worker[..., Any]
    models: ModelSource | None
    environ: Mapping[str, str]
    redactor: Redactor
    max_output_bytes: int
    tracing: Tracing | None = None
    captures: bool = True

    def find(self, name: str) -> Worker[..., Any]:
        """The worker of that name, also the built-in ones.

        Raises:
            UnknownWorker: this process has not registered it.
        """
        built_in = {AGENT_WORKER: self.agent, JUDGE_WORKER: self.judge, PLANNER_WORKER: self.planner}
        if name in built_in:
            return built_in[name]
        if name not in self.registry:
            raise UnknownWorker(f"this process has no worker called {name!r}")
        return self.registry.get(name)


class EffectLedger:
    """The effect ledger as one attempt sees it."""

    def __init__(self, database: Database, claimed: ClaimedAttempt) -> None:
        self._database = database
        self._claimed = claimed

    async def claim(self, key: str) -> EffectRow:
        """Note that this attempt is about to do the effect, or learn that another has."""
        return await claim_effect(self._database, self._claimed, self._of_iteration(key))

    async def confirm(self, key: str, result: Any) -> None:
        """Note that it was done."""
        await confirm_effect(self._database, self._claimed, self._of_iteration(key), result)

    def _of_iteration(self, key: str) -> str:
        """A further iteration of a `repeat` does its effects anew."""
        iteration = self._claimed.order.options.get("iteration", 1)
        return key if iteration == 1 else f"{key}#{iteration}"


class Work:
    """One attempt's code; calling it runs it.

    Args:
        claimed: the attempt.
        services: what it needs of its process.
        stop: tells its thread and its context to stop.

    Attributes:
        journal: what it says while it runs.
        redactor: hides the values of the step's secrets.
        retry_on: what its worker declares as worth another try.
        context: made when the code starts; None before.
        verdict: what a validator said.
    """

    def __init__(self, claimed: ClaimedAttempt, services: Services, stop: Stop) -> None:
        self._claimed = claimed
        self._services = services
        self._stop = stop
        names = claimed.order.options.get("secrets") or ()
        self._secrets = {name: services.environ[name] for name in names if name in services.environ}
        self._missing = [name for name in names if name not in services.environ]
        self.redactor = Redactor(self._secrets.values())
        redactors = (self.redactor, services.redactor)
        self.journal = Journal(self.clean, speech=Speech(redactors) if services.captures else None)
        self.retry_on: tuple[type[BaseException], ...] = ()
        self.context: Context | None = None
        self.verdict: Verdict | None = None

    async def __call__(self) -> Payload:
        """Run the worker's function.

        Raises:
            AttemptError: something is wrong with the worker, its secrets, its input or its output; and whatever
                the function raises.
        """
        worker = self._worker()
        self.retry_on = worker.retry_on
        if self._missing:
            raise SecretMissing(
                f"the worker's environment has no {', '.join(self._missing)}",
                remedy="set it where the worker process is started",
            )
        value, assignment = await self._assignment()
        ledger = EffectLedger(self._services.database, self._claimed)
        limit = self._services.max_output_bytes
        if worker.card.process:
            payload = await run_in_child(
                worker,
                value,
                assignment,
                journal=self.journal,
                ledger=ledger,
                secrets=self._secrets,
                database_url=self._services.database.url,
                max_bytes=limit,
                clean=self.clean,
            )
            return Payload.of(self.redactor.value(decode(payload.data))) if self._secrets else payload
        self.context = Context(
            assignment,
            journal=self.journal,
            ledger=ledger,
            models=self._services.models,
            secrets=self._secrets,
            database_url=self._services.database.url,
            stopped=self._stop.requested,
            loop=asyncio.get_running_loop(),
            tracing=self._services.tracing,
            stop=self._stop,
        )
        result = await invoke(worker, value, self.context, self._stop)
        self.verdict = result if worker.card.kind is WorkerKind.VALIDATOR else None
        clean = self.redactor.value if self._secrets else None
        store = partial(as_payload, worker, clean=clean, max_bytes=limit)
        return await beside_the_loop(result, store)

    def clean(self, value: Any) -> Any:
        """A text or JSON value without the step's secrets and the process's own."""
        return self._services.redactor.value(self.redactor.value(value))

    def _worker(self) -> Worker[..., Any]:
        order = self._claimed.order
        worker = self._services.find(order.worker)
        wanted = WorkerKind.VALIDATOR if order.purpose is Purpose.VALIDATE else WorkerKind.WORKER
        if worker.card.kind is not wanted:
            raise UnknownWorker(f"{order.worker!r} is a {worker.card.kind}, not a {wanted} ({worker.place})")
        return worker

    async def _assignment(self) -> tuple[Any, Assignment]:
        """The value that the function gets, and what the attempt is."""
        order = self._claimed.order
        others = [order.options[name] for name in ("output", "rejected") if order.options.get(name)]
        blobs: dict[str, bytes] = {}
        if others:
            blobs = await get_blobs(self._services.database, order.tenant, others)
        rejected = order.options.get("rejected")
        judged = order.options.get("output")
        value = decode(blobs[judged]) if judged else self._claimed.input_value
        assignment = Assignment(
            run_id=order.run_id,
            step=order.step,
            item=order.item,
            number=order.number,
            tenant=order.tenant,
            worker=order.worker,
            workflow=self._claimed.workflow,
            idempotency_key=order.idempotency_key,
            input=self._claimed.input_value,
            feedback=tuple(order.options.get("feedback") or ()),
            rejected=decode(blobs[rejected]) if rejected else None,
            options=order.options,
            last_heartbeat=self._claimed.last_heartbeat,
        )
        return value, assignment


def agent_worker(models: Any, tools: ToolMaker) -> Worker[..., Any]:
    """The built-in worker that runs `kind: agent` steps.

    Args:
        models: the process's `orchestrator.llm.Models`.
        tools: makes what its steps list as their tools.
    """

    async def agent(input: Any, ctx: Context) -> Any:
        """A model's turns, with tools and structured output where the step has them."""
        return await run_agent(input, ctx, models=models, tools=tools)

    card = WorkerCard(name=AGENT_WORKER, pool=AGENT_POOL, description=(agent.__doc__ or ""))
    return Worker(agent, card, read_signature(agent), place="orchestrator")
