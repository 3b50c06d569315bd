"""Tables on the command line: the steps of a run, runs, workers."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from orchestrator.cli.event_lines import first_line
from orchestrator.cli.quantities import (
    NOTHING,
    between,
    cost_text,
    duration_text,
    short_id,
    sum_costs,
    time_text,
    tokens_text,
)
from orchestrator.cli.statuses import run_status, status_text, step_status
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.identity import sha_label
from orchestrator.domain.outcome import Usage
from orchestrator.domain.worker import WorkerCard

if TYPE_CHECKING:
    from orchestrator.client import RunTrace
    from orchestrator.store.attempts import AttemptRow
    from orchestrator.store.runs import RunRow
    from orchestrator.store.steps import StepRow


_WHOLE = frozenset({"run", "status", "kind", "wave"})
"""Short columns that are never folded."""


class PlainTable(Table):
    """A table without lines. On a narrow page it breaks its headers and moves together before it folds words."""

    def __init__(self) -> None:
        super().__init__(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wanted = self.__rich_measure__(console, options.update_width(10_000)).maximum
        if wanted > options.max_width:
            self.padding = (0, 1, 0, 0)
            for column in self.columns:
                if column.justify == "right":
                    column.header = _broken(str(column.header))
        yield from super().__rich_console__(console, options)


def _broken(header: str) -> str:
    """A header on two lines, as narrow as it can be."""
    places = [place for place, sign in enumerate(header) if sign == " "]
    broken = [f"{header[:place]}\n{header[place + 1 :]}" for place in places]
    return min(broken, key=lambda lines: max(map(len, lines.splitlines())), default=header)


def plain_table(left: Sequence[str], right: Sequence[str] = ()) -> Table:
    """A table without lines: `left` columns are texts, `right` ones are numbers."""
    table = PlainTable()
    for column in left:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for column in right:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def usage_of(attempts: Sequence[AttemptRow]) -> Usage:
    """What some attempts used together."""
    return Usage(
        sum(attempt.input_tokens for attempt in attempts),
        sum(attempt.output_tokens for attempt in attempts),
        sum_costs([attempt.cost_usd for attempt in attempts]),
        sum(attempt.model_calls for attempt in attempts),
    )


def attempts_by_step(attempts: Sequence[AttemptRow]) -> dict[str, list[AttemptRow]]:
    """The attempts of each step, in their order."""
    grouped: dict[str, list[AttemptRow]] = defaultdict(list)
    for attempt in attempts:
        grouped[attempt.step].append(attempt)
    return grouped


def steps_table(trace: RunTrace) -> Table:
    """One row a step, with a last column that says why some were skipped or failed."""
    attempts = attempts_by_step(trace.attempts)
    verdicts: dict[str, list[bool]] = defaultdict(list)
    step_of = {attempt.id: attempt.step for attempt in trace.attempts}
    for verdict in trace.verdicts:
        verdicts[step_of.get(verdict.attempt_id, "")].append(verdict.passed)
    noted = any(_note(step) for step in trace.steps)
    table = plain_table(
        ("step", "status", "worker"), ("items", "attempts", "verdicts", "tokens in → out", "cost", "time")
    )
    if noted:
        table.add_column("why", overflow="fold")
    for step in sorted(trace.steps, key=lambda row: row.position):
        tries = attempts[step.step]
        used = usage_of(tries)
        cells: list[str | Text] = [
            step.step,
            status_text(step_status(step.status, tries)),
            Text(step.worker, style="dim"),
            _items_text(step),
            str(sum(attempt.purpose == Purpose.WORK for attempt in tries)),
            _verdicts_text(verdicts[step.step]),
            tokens_text(used.input_tokens, used.output_tokens),
            cost_text(used.cost_usd),
            duration_text(between(step.started_at, time.time() if step.status == "running" else step.finished_at)),
        ]
        table.add_row(*cells, *([Text(_note(step), style="dim")] if noted else []))
    return table


def _items_text(step: StepRow) -> Text:
    if step.items_total is None:
        return Text(NOTHING)
    text = Text(f"{step.items_done - step.items_failed}/{step.items_total}")
    return text.append(f" ✗{step.items_failed}", style="red") if step.items_failed else text


def _note(step: StepRow) -> str:
    if step.reused_from is not None and step.error is not None:
        return first_line(f"{step.reason}: {step.error.message}", 160)
    return first_line(step.error.message if step.error else step.reason, 120)


def _verdicts_text(passed: Sequence[bool]) -> Text:
    if not passed:
        return Text(NOTHING)
    text = Text()
    if any(passed):
        text.append(f"✓{sum(passed)}", style="green")
    if not all(passed):
        text.append(f"{' ' if text else ''}✗{len(passed) - sum(passed)}", style="red")
    return text


def runs_table(runs: Sequence[RunRow]) -> Table:
    """One row a run, the newest first."""
    table = plain_table(("run", "workflow", "tenant", "status", "started"), ("time", "tokens in → out", "cost"))
    for run in runs:
        table.add_row(
            short_id(run.id),
            f"{run.workflow} {run.version} {sha_label(run.workflow_sha256)}",
            Text(run.tenant, style="dim"),
            status_text(run_status(run)),
            time_text(run.started_at or run.created_at),
            duration_text(between(run.started_at, run.finished_at)),
            tokens_text(run.input_tokens, run.output_tokens),
            cost_text(run.cost_usd),
        )
    return table


def children_table(children: Sequence[RunRow]) -> Table:
    """One row a run that a step began, the oldest first."""
    table = plain_table(("step", "run", "workflow", "status"), ("time", "tokens in → out", "cost"))
    for run in children:
        table.add_row(
            run.parent_step or "",
            short_id(run.id),
            f"{run.workflow} {run.version}",
            status_text(run_status(run)),
            duration_text(between(run.started_at, run.finished_at or time.time())),
            tokens_text(run.input_tokens, run.output_tokens),
            cost_text(run.cost_usd),
        )
    return table


def workers_table(cards: Sequence[WorkerCard]) -> Table:
    """One row a worker, validator or tool, by pool and name."""
    table = plain_table(("name", "kind", "pool", "what it does"), ("at once", "in all", "rate", "timeout"))
    for card in sorted(cards, key=lambda card: (card.pool, card.name)):
        table.add_row(
            card.name,
            card.kind.value,
            card.pool or NOTHING,
            Text(first_line(card.description, 100), style="dim"),
            NOTHING if card.concurrency is None else str(card.concurrency),
            NOTHING if card.max_running is None else str(card.max_running),
            card.rate or NOTHING,
            duration_text(card.timeout),
        )
    return table
