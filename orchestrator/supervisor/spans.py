"""Spans of runs and steps: recorded once they are over, under ids that a repetition gives again.

A verdict judges an attempt whose span has ended on a worker by then, so its event stands on the step's span and names
the attempt's number. What was said before a take-over is missing there; the `verdicts` rows have it.
"""

from __future__ import annotations

from orchestrator.domain.identity import span_id, trace_id
from orchestrator.domain.item import ItemState
from orchestrator.domain.outcome import Usage
from orchestrator.domain.run import StepState
from orchestrator.domain.verdict import Verdict
from orchestrator.store.runs import RunRow
from orchestrator.supervisor.context import RunContext
from orchestrator.telemetry import names, run_attributes, step_attributes, verdict_event

VERDICTS_SHOWN = 500
"""Events on one step's span at the most; the `verdicts` rows have them all."""


def note_verdict(context: RunContext, item: ItemState, verdict: Verdict) -> None:
    """Keep a verdict for the span of its step."""
    if context.tracing is not None:
        place = {names.ATTEMPT_NUMBER: item.number, names.ATTEMPT_ITEM: item.index}
        said = context.said.setdefault(item.step, [])
        if len(said) < VERDICTS_SHOWN:
            said.append(verdict_event(verdict, context.clock(), place))


def record_step(context: RunContext, step: StepState) -> None:
    """Record a step's span, if the step has settled here; what a fork reuses has its span in another run."""
    if context.tracing is None or not step.settled or step.reused_from is not None:
        return
    spec, ended = context.spec(step.id), step.finished_at or context.clock()
    context.tracing.record_span(
        f"{names.STEP} {step.id}",
        trace_id=trace_id(context.run_id),
        span_id=span_id(context.run_id, step.id),
        parent_id=span_id(context.run_id),
        start=step.started_at or ended,
        end=ended,
        attributes=step_attributes(
            step=step.id,
            worker=spec.worker,
            pool=spec.pool,
            status=str(step.status),
            needs=tuple(spec.needs),
            attempts=step.attempts,
            items=step.total,
        ),
        events=context.said.pop(step.id, ()),
        error=step.error.message if step.error else "",
        tenant=context.tenant,
    )


def record_run(context: RunContext, run: RunRow) -> None:
    """Record the run's own span, the root of its trace."""
    if context.tracing is None or run.finished_at is None:
        return
    context.tracing.record_span(
        f"{names.INVOKE_WORKFLOW} {run.workflow}",
        trace_id=trace_id(run.id),
        span_id=span_id(run.id),
        parent_id=None,
        start=run.started_at or run.created_at,
        end=run.finished_at,
        attributes=run_attributes(
            workflow=run.workflow,
            version=run.version,
            status=run.status,
            usage=Usage(run.input_tokens, run.output_tokens, run.cost_usd),
        ),
        error=run.error.message if run.error else "",
        tenant=run.tenant,
    )
