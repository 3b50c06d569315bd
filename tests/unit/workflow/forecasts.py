"""Workflows built by hand, and the numbers to forecast them with."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.history import StepHistory
from orchestrator.domain.policy import RetryPolicy
from orchestrator.domain.worker import HUMAN_WORKER, RUN_WORKER
from orchestrator.workflow import StepSpec, Workflow
from orchestrator.workflow.figures import Facts, ModelFacts
from orchestrator.workflow.forecast import forecast
from orchestrator.workflow.forecast_values import Forecast, StepForecast
from orchestrator.workflow.model import Callee

PRICE = 1e-6
SMALL = ModelFacts("m-small", PRICE, 2 * PRICE, "test prices", max_tokens=100, timeout=60.0)
FACTS = Facts(models={"small": SMALL}, timeouts={"t.quick": 1.0, "t.slow": 10.0, "t.endless": None})
ONCE = RetryPolicy(max_attempts=1)
ASK = {"worker": HUMAN_WORKER, "pool": ""}
CALL = 10 * PRICE + 100 * 2 * PRICE
"""What one call with the prompt `hello!` costs at most."""


def worker(name: str, **changes: Any) -> StepSpec:
    values = {"kind": "worker", "worker": "t.quick", "pool": "quick", "retry": ONCE}
    return StepSpec(id=name, **(values | changes))


def agent(name: str, **changes: Any) -> StepSpec:
    values = {"kind": "agent", "worker": "orchestrator.agent", "pool": "agents", "model": "small", "prompt": "hello!"}
    return StepSpec(id=name, **(values | {"retry": ONCE} | changes))


def human(name: str, **changes: Any) -> StepSpec:
    form = {"type": "object", "properties": {"decision": {"enum": ["yes", "no"]}, "note": {"type": "string"}}}
    return StepSpec(id=name, **({"kind": "human", "worker": HUMAN_WORKER, "output": form} | changes))


def calling(name: str, callee: Workflow, **changes: Any) -> StepSpec:
    uses = Callee(name=callee.name, version=callee.version, sha256=callee.sha256)
    return StepSpec(id=name, **({"kind": "workflow", "worker": RUN_WORKER, "uses": uses, "retry": ONCE} | changes))


def flow(*steps: StepSpec, name: str = "top", **changes: Any) -> Workflow:
    return Workflow(name=name, sha256=f"sha of {name}", steps={step.id: step for step in steps}, **changes)


def planned(workflow: Workflow, inputs: dict[str, Any] | None = None, facts: Facts = FACTS) -> Forecast:
    return forecast(workflow, workflow.check_inputs(inputs or {}), facts)


def step_of(found: Forecast, name: str) -> StepForecast:
    return next(step for step in found.all_steps if step.spec.id == name)


def past(step: str, worker: str, **changes: Any) -> StepHistory:
    values = {"runs": 4, "seconds": 2.0, "items": None, "attempts": 1.0, "input_tokens": 0.0, "output_tokens": 0.0}
    return StepHistory(step=step, worker=worker, **(values | {"cost_usd": None} | changes))
