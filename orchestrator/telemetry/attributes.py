"""What the spans of runs, steps and attempts say, by the names that other viewers know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt, Purpose
from orchestrator.domain.identity import NO_ITEM
from orchestrator.domain.outcome import Usage
from orchestrator.domain.span import SpanEvent
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import AGENT_WORKER, PLANNER_WORKER
from orchestrator.telemetry import names

ROOT_NODE = "run"


def run_attributes(*, workflow: str, version: str, status: str, usage: Usage) -> dict[str, Any]:
    """The span `invoke_workflow {workflow}`."""
    return {
        names.OPERATION: names.INVOKE_WORKFLOW,
        names.WORKFLOW: workflow,
        names.WORKFLOW_VERSION: version,
        names.RUN_STATUS: status,
        names.KIND: "CHAIN",
        names.NODE_ID: ROOT_NODE,
        names.NODE_NAME: workflow,
        **usage_attributes(usage),
    }


def step_attributes(
    *, step: str, worker: str, pool: str, status: str, needs: Sequence[str], attempts: int, items: int | None = None
) -> dict[str, Any]:
    """The span `step {step}`.

    Args:
        step: its id.
        worker: the worker that the step names.
        pool: the worker's pool.
        status: what became of it.
        needs: the steps that it waited for: the edges of the graph.
        attempts: how many were made.
        items: of a `foreach`, None without.
    """
    found: dict[str, Any] = {
        names.STEP_ID: step,
        names.STEP_STATUS: status,
        names.STEP_NEEDS: list(needs),
        names.WORKER: worker,
        names.POOL: pool,
        names.STEP_ATTEMPTS: attempts,
        names.KIND: "CHAIN",
        names.NODE_ID: step,
        names.NODE_NAME: step,
        names.NODE_PARENT: needs[0] if needs else ROOT_NODE,
    }
    if items is not None:
        found[names.STEP_ITEMS] = items
    return found


def attempt_name(claimed: ClaimedAttempt) -> str:
    """`invoke_agent {step}` for the built-in agent, `plan {tier or rules}` for the planner, else `attempt {worker}`."""
    order = claimed.order
    if order.worker == PLANNER_WORKER:
        return f"{names.PLAN} {order.options.get('model') or 'rules'}"
    return f"{names.INVOKE_AGENT} {order.step}" if order.worker == AGENT_WORKER else f"{names.ATTEMPT} {order.worker}"


def attempt_attributes(claimed: ClaimedAttempt) -> dict[str, Any]:
    """What is known of an attempt when it is claimed."""
    order = claimed.order
    agent = order.worker == AGENT_WORKER
    place = order.step if order.item == NO_ITEM else f"{order.step}[{order.item}]"
    found: dict[str, Any] = {
        names.WORKFLOW: claimed.workflow,
        names.STEP_ID: order.step,
        names.WORKER: order.worker,
        names.POOL: order.pool,
        names.ATTEMPT_NUMBER: order.number,
        names.ATTEMPT_PURPOSE: order.purpose.value,
        names.QUEUE_WAIT: max(0.0, claimed.claimed_at - claimed.queued_at),
        names.KIND: _kind(order.purpose, agent=agent),
        names.NODE_ID: "/".join(filter(None, (place, str(order.number), order.validator))),
        names.NODE_NAME: order.validator or place,
        names.NODE_PARENT: order.step,
    }
    if agent:
        found |= {names.OPERATION: names.INVOKE_AGENT, names.AGENT: order.step}
    if order.item != NO_ITEM:
        found[names.ATTEMPT_ITEM] = order.item
    if order.validator:
        found[names.VALIDATOR] = order.validator
    return found


def usage_attributes(usage: Usage) -> dict[str, Any]:
    """Tokens, and the price where it is known."""
    found: dict[str, Any] = {names.INPUT_TOKENS: usage.input_tokens, names.OUTPUT_TOKENS: usage.output_tokens}
    if usage.model_calls:
        found[names.MODEL_CALLS] = usage.model_calls
    if usage.cost_usd is not None:
        found[names.COST] = usage.cost_usd
    return found


def verdict_event(verdict: Verdict, at: float, extra: Mapping[str, Any] | None = None) -> SpanEvent:
    """A verdict as an event of the span that it judges.

    Args:
        verdict: what the validator said.
        at: Unix seconds.
        extra: more attributes, such as the attempt's number when the event stands on the step's span.
    """
    found: dict[str, Any] = {
        names.EVALUATION_NAME: verdict.validator,
        names.EVALUATION_LABEL: verdict.label,
        **(extra or {}),
    }
    if verdict.score is not None:
        found[names.EVALUATION_SCORE] = verdict.score
    if verdict.message:
        found[names.EVALUATION_EXPLANATION] = verdict.message
    return SpanEvent(names.EVALUATION_EVENT, at, found)


def _kind(purpose: Purpose, *, agent: bool) -> str:
    if purpose is Purpose.VALIDATE:
        return "EVALUATOR"
    return "AGENT" if agent else "CHAIN"
