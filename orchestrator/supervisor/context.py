"""What the supervisor graph's nodes are handed for one run."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.domain.identity import RunId
from orchestrator.domain.run import RunState, StepState
from orchestrator.domain.span import SpanEvent
from orchestrator.errors import ExpressionError
from orchestrator.llm.tariffs import Tariffs
from orchestrator.store import Database
from orchestrator.store.batching import Batcher
from orchestrator.store.inbox import InboxRow
from orchestrator.store.runs import RunRow
from orchestrator.supervisor.parking import Parking
from orchestrator.supervisor.payloads import Payloads
from orchestrator.supervisor.signals import Signals
from orchestrator.telemetry import Tracing
from orchestrator.workflow import Expressions, StepSpec, Workflow

if TYPE_CHECKING:
    from orchestrator.supervisor.draft import Draft


@dataclass
class RunContext:
    """One resident run: its row, its workflow, and the parts that its nodes work with.

    Attributes:
        pinned: gives the workflow of a child run by its sha256.
        state_of: gives what is known of another run, None where nothing is (any more).
        inbox: gives what has come for a run.
        parking: says when the run is to leave this process.
        tariffs: what calls of the project's models may cost.
        said: verdicts, kept for the span of their step.
        wake: set whenever something may be in the run's inbox.
        draft: what the last superstep has changed, until its checkpoint is written.
    """

    run: RunRow
    epoch: int
    workflow: Workflow
    inputs: Mapping[str, Any]
    database: Database
    payloads: Payloads
    expressions: Expressions
    signals: Signals
    pinned: Callable[[str], Awaitable[Workflow]]
    state_of: Callable[[RunId], Awaitable[RunState | None]]
    inbox: Batcher[RunId, list[InboxRow]]
    parking: Parking
    tariffs: Tariffs
    tracing: Tracing | None = None
    said: dict[str, list[SpanEvent]] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    draft: Draft | None = None
    clock: Callable[[], float] = time.time

    @property
    def run_id(self) -> RunId:
        """The run's id, which is also its LangGraph thread id."""
        return self.run.id

    @property
    def tenant(self) -> str:
        """The run's tenant."""
        return self.run.tenant

    @cached_property
    def dependants(self) -> Mapping[str, tuple[str, ...]]:
        """For each step, the steps that need it."""
        found: dict[str, list[str]] = defaultdict(list)
        for spec in self.workflow.all_steps.values():
            for needed in spec.needs:
                found[needed].append(spec.id)
        return {step: tuple(ids) for step, ids in found.items()}

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Each step's place in the workflow file, from 0; those of `finally` come last."""
        return {step: place for place, step in enumerate(self.workflow.all_steps)}

    @cached_property
    def timed_steps(self) -> tuple[StepSpec, ...]:
        """The steps with a `total` timeout or `expires`."""
        return tuple(
            spec for spec in self.workflow.all_steps.values() if spec.timeout.total is not None or spec.expires
        )

    @cached_property
    def excused(self) -> frozenset[str]:
        """Steps whose failure a dependant accepts, so that it does not fail the run."""
        return self.workflow.excused

    async def scope(self, state: RunState, spec: StepSpec) -> dict[str, Any]:
        """The variables that a step's expressions see: `inputs`, `run`, and `steps` as far as they name them."""
        return await self.variables(state, spec.refs, spec.payloads)

    async def variables(self, state: RunState, refs: Iterable[str], payloads: Iterable[str]) -> dict[str, Any]:
        """`inputs`, `run`, and the `steps` in `refs`; outputs are loaded for those in `payloads` alone."""
        wanted = frozenset(payloads)
        return {
            "inputs": self.inputs,
            "run": {
                "id": str(self.run_id),
                "workflow": self.workflow.name,
                "tenant": self.tenant,
                "version": self.workflow.version,
                **({"status": str(state.ending.status)} if state.ending else {}),
            },
            "steps": {
                ref: {
                    "status": str(state.steps[ref].status),
                    "error": error.as_json() if (error := state.steps[ref].error) else None,
                    "output": await self.output(state, state.steps[ref]) if ref in wanted else None,
                }
                for ref in refs
            },
        }

    async def output(self, state: RunState, step: StepState) -> Any:
        """A step's output; a `foreach` is put together from its items, in their order. None where it has none."""
        if step.total is not None:
            return await self._gathered(state, step) if step.status == "succeeded" else None
        return await self.payloads.value(self.tenant, step.output) if step.output is not None else None

    async def _gathered(self, state: RunState, step: StepState) -> list[Any]:
        items = state.items.get(step.id, {})
        ordered = [items[index] for index in range(step.total or 0)]
        values = await self.payloads.values(self.tenant, [item.output for item in ordered if item.output])
        outputs = [values[item.output.sha256] if item.output else None for item in ordered]
        foreach = self.spec(step.id).foreach
        if foreach is None or foreach.on_item_error != "collect":
            return outputs
        return [
            {
                "ok": item.phase == "succeeded",
                "value": value if item.phase == "succeeded" else None,
                "error": item.error.as_json() if item.error and item.phase != "succeeded" else None,
            }
            for item, value in zip(ordered, outputs, strict=True)
        ]

    def truth(self, expression: str, variables: Mapping[str, Any], what: str) -> bool:
        """Whether a condition holds; `what` is what messages call it.

        Raises:
            ExpressionError: it does not evaluate, or to something else than true or false.
        """
        value = self.expressions.evaluate(expression, variables)
        if not isinstance(value, bool):
            raise ExpressionError(f"{what} gave {type(value).__name__}, not true or false", expression=expression)
        return value

    def spec(self, step: str) -> StepSpec:
        """What the workflow says of a step."""
        return self.workflow.all_steps[step]


def item_scope(spec: StepSpec, scope: Mapping[str, Any], index: int, value: Any) -> dict[str, Any]:
    """A step's variables with those of one item besides: the name after `as`, and `index`."""
    if spec.foreach is None:
        return dict(scope)
    return {**scope, spec.foreach.as_: value, "index": index}
