"""How a run ended, for people (table, output, root error) and for machines (one JSON object)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from orchestrator.cli.dead_letters import print_dead_letters
from orchestrator.cli.event_lines import place
from orchestrator.cli.quantities import between, cost_text, duration_text, plural, run_argument, tokens_text
from orchestrator.cli.remedies import remedy_for
from orchestrator.cli.statuses import status_text
from orchestrator.cli.tables import attempts_by_step, children_table, steps_table, usage_of
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.outcome import ErrorInfo, Usage

if TYPE_CHECKING:
    from orchestrator.client import RunResult, RunTrace

LONGEST_TEXT = 1_200
_MOST_LINES = 24
_MOST_DETAIL_LINES = 12


def print_summary(console: Console, result: RunResult, trace: RunTrace, tenant: str | None = None) -> None:
    """Print how a run ended: for a failed one the root error first, then the steps, the cost and the output."""
    run = trace.run
    named = run_argument(run.id, tenant)
    if result.status == "failed":
        print_root_error(console, trace, result.error)
        console.print()
        print_dead_letters(console, trace, tenant)
    console.print(steps_table(trace))
    console.print()
    print_children(console, trace)
    heading = Text.assemble(("run ", "bold"), (str(run.id), "bold"), " ", status_text(result.status))
    console.print(heading, soft_wrap=True)
    tries = sum(attempt.purpose == Purpose.WORK for attempt in trace.attempts)
    console.print(
        f"{duration_text(result.duration)} · {plural(tries, 'attempt')} · {_usage_text(result.usage)}",
        soft_wrap=True,
    )
    if result.status == "succeeded":
        print_output(console, result.output, hint=f"orchestrator runs show {named} --output")
    console.print(Text(f"trace: orchestrator trace {named}", style="dim"), soft_wrap=True)


def print_children(console: Console, trace: RunTrace) -> None:
    """Print the runs that steps of a run began, if there are any."""
    if trace.children:
        console.print(children_table(trace.children))
        console.print()


def _usage_text(usage: Usage) -> str:
    tokens = tokens_text(usage.input_tokens, usage.output_tokens)
    cost = cost_text(usage.cost_usd)
    if not usage.input_tokens and not usage.output_tokens:
        return "no model calls · cost $0"
    unknown = " (no price is known for the model)" if usage.cost_usd is None else ""
    return f"{tokens} tokens · cost {cost}{unknown}"


def root_error(trace: RunTrace, error: ErrorInfo | None) -> tuple[str, ErrorInfo | None]:
    """Where it began and what it was: the step that failed first, with its item where that is known.

    A run whose steps all went well can still fail, by its outputs; then the error is the run's own.
    """
    failed = [step for step in trace.steps if step.status == "failed" and step.error is not None]
    if not failed:
        return "", error or trace.run.error
    first = min(failed, key=lambda step: (step.finished_at or float("inf"), step.position))
    same = [attempt for attempt in trace.attempts if attempt.step == first.step and attempt.error == first.error]
    return place(first.step, same[0].item) if same else first.step, first.error


def print_root_error(console: Console, trace: RunTrace, error: ErrorInfo | None) -> None:
    """Print where a run went wrong, why, and what to do about it."""
    where, root = root_error(trace, error)
    if root is None:
        console.print(Text("the run failed without an error of its own; see its trace", style="bold red"))
        return
    place_text = f" in step {where}" if where else ""
    message = root.message or "no message"
    console.print(Text(f"error{place_text} ({root.code}): {message}", style="bold red"), soft_wrap=True)
    detail = root.detail.strip().splitlines()
    if len(detail) > _MOST_DETAIL_LINES:
        detail = ["…", *detail[-_MOST_DETAIL_LINES:]]
    for line in detail:
        console.print(Text(f"  {line}", style="dim"), soft_wrap=True)
    remedy = remedy_for(root)
    if remedy and "\n" not in message:  # else the message has one of its own, which knows more
        console.print(Text(f"  {remedy}", style="cyan"), soft_wrap=True)


def print_output(console: Console, output: Any, *, hint: str = "") -> None:
    """Print a run's output field by field: texts as they are, other values as JSON, long ones trimmed with `hint`."""
    fields = output if isinstance(output, dict) else {"output": output}
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
        shown = trim(text) if hint else text
        one_line = "\n" not in shown and len(shown) <= 100
        console.print(Text.assemble((f"{name}:", "bold"), f" {shown}" if one_line else ""), soft_wrap=True)
        if not one_line:
            for line in shown.splitlines():
                console.print(Text(f"  {line}"), soft_wrap=True)
        if shown != text:
            left = len(text) - len(shown)
            console.print(Text(f"  … {left:,} more characters: {hint}", style="dim"), soft_wrap=True)


def trim(text: str) -> str:
    """The beginning of a long text, at most 24 lines and 1,200 characters."""
    kept = "\n".join(text.splitlines()[:_MOST_LINES])
    kept = text if len(kept) == len(text.rstrip("\n")) else kept
    return kept if len(kept) <= LONGEST_TEXT else kept[:LONGEST_TEXT]


def result_json(result: RunResult, trace: RunTrace) -> dict[str, Any]:
    """A run's end as one JSON object; times are seconds."""
    attempts = attempts_by_step(trace.attempts)
    return {
        "run_id": str(result.run_id),
        "status": result.status,
        "output": result.output,
        "error": result.error.as_json() if result.error else None,
        "cost_usd": result.usage.cost_usd,
        "input_tokens": result.usage.input_tokens,
        "output_tokens": result.usage.output_tokens,
        "duration_s": round(result.duration, 3),
        "steps": [
            {
                "step": step.step,
                "status": step.status,
                "reason": step.reason,
                "worker": step.worker,
                "pool": step.pool,
                "items_total": step.items_total,
                "items_done": step.items_done,
                "items_failed": step.items_failed,
                "attempts": sum(attempt.purpose == Purpose.WORK for attempt in attempts[step.step]),
                "input_tokens": usage_of(attempts[step.step]).input_tokens,
                "output_tokens": usage_of(attempts[step.step]).output_tokens,
                "cost_usd": usage_of(attempts[step.step]).cost_usd,
                "duration_s": _rounded(between(step.started_at, step.finished_at)),
                "error": step.error.as_json() if step.error else None,
                "dead": step.dead,
                "reused_from": str(step.reused_from) if step.reused_from else None,
            }
            for step in sorted(trace.steps, key=lambda row: row.position)
        ],
        "children": children_json(trace),
        "forked_from": str(trace.run.forked_from) if trace.run.forked_from else None,
        "fork": trace.run.fork.as_json() if trace.run.fork else None,
    }


def children_json(trace: RunTrace) -> list[dict[str, Any]]:
    """The runs that steps of a run began."""
    return [
        {"run_id": str(run.id), "step": run.parent_step, "workflow": run.workflow, "status": run.status}
        for run in trace.children
    ]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
