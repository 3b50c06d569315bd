"""Spans of runs and steps: recorded once they are over, under ids that a repetition gives again."""

from __future__ import annotations

from orchestrator.domain.identity import span_id, trace_id
from orchestrator.domain.run import RunStatus, StepState
from orchestrator.supervisor.context import RunContext


def record_step(context: RunContext, step: StepState) -> None:
    """Record a step's span, if the step has settled."""
    if context.tracing is None or not step.settled:
        return
    ended = step.finished_at or context.clock()
    spec = context.spec(step.id)
    context.tracing.record_step_span(
        context.run,
        spec,
        step,
        trace_id=trace_id(context.run_id),
        span_id=span_id(context.run_id, step.id),
        parent_id=span_id(context.run_id),
        start=step.started_at or ended,
        end=ended,
    )


def record_run(context: RunContext, status: RunStatus, started_at: float, error: str) -> None:
    """Record the run's own span, the root of its trace."""
