"""The trace of a run as a tree: run → steps → items → attempts → model calls and verdicts, or the run of a step.

Pure: no terminal here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.cli.calls import call_nodes
from orchestrator.cli.event_lines import place
from orchestrator.cli.node import Node
from orchestrator.cli.quantities import between, short_id
from orchestrator.cli.statuses import attempt_status, step_status
from orchestrator.cli.tables import attempts_by_step, usage_of
from orchestrator.cli.tree_notes import TreeNotes
from orchestrator.domain.attempt import Purpose
from orchestrator.domain.identity import NO_ITEM, RunId
from orchestrator.domain.worker import HUMAN_WORKER, RUN_WORKER

if TYPE_CHECKING:
    from orchestrator.client import RunTrace
    from orchestrator.store.attempts import AttemptRow
    from orchestrator.store.steps import StepRow
    from orchestrator.store.verdicts import VerdictRow

MOST_ITEMS = 20


@dataclass(frozen=True)
class Trouble:
    """Something that went wrong on the way, with its full text: a rejection or an error, and where."""

    step: str
    where: str
    what: str
    message: str


class TraceTree:
    """Builds the tree of one trace.

    Args:
        trace: what is stored of the run.
        all_items: show every item of a `foreach`, not only 20 of them (those with trouble first).
        below: the traces of the runs below it by their id, as far as they are to be shown.
    """

    def __init__(
        self, trace: RunTrace, *, all_items: bool = False, below: Mapping[RunId, RunTrace] | None = None
    ) -> None:
        self._trace = trace
        self._all_items = all_items
        self._below = below or {}
        self._notes = TreeNotes(trace.notes)
        self._verdicts: dict[Any, list[VerdictRow]] = defaultdict(list)
        for verdict in trace.verdicts:
            self._verdicts[verdict.attempt_id].append(verdict)
        self._judges: dict[Any, list[AttemptRow]] = defaultdict(list)
        for attempt in trace.attempts:
            if attempt.purpose == Purpose.VALIDATE:
                self._judges[attempt.judges].append(attempt)

    def root(self, only_step: str | None = None) -> Node:
        """The run with its steps, or with one of them."""
        run = self._trace.run
        attempts = attempts_by_step(self._trace.attempts)
        steps = sorted(self._trace.steps, key=lambda row: row.position)
        return Node(
            f"{run.workflow} {run.version}",
            run.status,
            run.started_at,
            run.finished_at,
            between(run.created_at, run.started_at),
            usage_of(self._trace.attempts),
            [
                *(self._step(step, attempts[step.step]) for step in steps if only_step in {None, step.step}),
                *self._notes.of_run(),
            ],
        )

    def _step(self, step: StepRow, attempts: Sequence[AttemptRow]) -> Node:
        status = step_status(step.status, attempts)
        node = Node(step.step, status, step.started_at, step.finished_at, usage=usage_of(attempts))
        if step.items_total is not None:
            failed = f", {step.items_failed} failed" if step.items_failed else ""
            node.label += f" ({step.items_done - step.items_failed}/{step.items_total} items{failed})"
        if step.reason:
            node.children.append(Node(step.reason))
        work = [attempt for attempt in attempts if attempt.purpose == Purpose.WORK]
        by_item: dict[int, list[AttemptRow]] = defaultdict(list)
        for attempt in sorted(work, key=lambda row: (row.item, row.number)):
            by_item[attempt.item].append(attempt)
        shown = self._choose_items(by_item)
        for item in shown:
            node.children += self._iterations(item, by_item[item])
        if len(shown) < len(by_item):
            node.children.append(Node(f"… {len(by_item) - len(shown)} more items (--all shows them)"))
        return node

    def _choose_items(self, by_item: dict[int, list[AttemptRow]]) -> list[int]:
        if self._all_items or len(by_item) <= MOST_ITEMS:
            return sorted(by_item)
        ranked = sorted(by_item, key=lambda item: (not self._troubled(by_item[item]), item))
        return sorted(ranked[:MOST_ITEMS])

    def _troubled(self, attempts: Sequence[AttemptRow]) -> bool:
        return len(attempts) > 1 or any(
            attempt.error is not None or any(not verdict.passed for verdict in self._verdicts[attempt.id])
            for attempt in attempts
        )

    def _iterations(self, item: int, attempts: Sequence[AttemptRow]) -> list[Node]:
        nodes = []
        for label, own in self._notes.iterations(attempts[0].step, attempts) if item == NO_ITEM else [("", attempts)]:
            found = self._item(item, own)
            nodes += [Node(label, usage=usage_of(own), children=found)] if label else found
        return nodes

    def _item(self, item: int, attempts: Sequence[AttemptRow]) -> list[Node]:
        nodes = [self._attempt(attempt) for attempt in attempts]
        if item == NO_ITEM:
            return nodes
        if len(nodes) == 1:
            nodes[0].label = f"[{item}] {nodes[0].label}"
            return nodes
        ends = [attempt.finished_at for attempt in attempts]
        end = None if None in ends else max(end for end in ends if end is not None)
        starts = [attempt.claimed_at for attempt in attempts if attempt.claimed_at is not None]
        first = min(starts, default=None)
        return [Node(f"[{item}]", attempts[-1].status, first, end, usage=usage_of(attempts), children=nodes)]

    def _attempt(self, attempt: AttemptRow) -> Node:
        node = Node(
            self._label(attempt),
            attempt_status(attempt),
            attempt.claimed_at,
            attempt.finished_at,
            between(max(attempt.queued_at, attempt.not_before), attempt.claimed_at),
            usage_of([attempt]),
        )
        node.children += self._calls(attempt)
        node.children += self._run_below(node, attempt)
        node.children += self._notes.of_attempt(attempt)
        if attempt.error is not None:
            node.children.append(Node(f"{attempt.error.code}: {attempt.error.message}", "failed"))
        node.children += self._judgements(attempt)
        return node

    def _label(self, attempt: AttemptRow) -> str:
        if attempt.worker == HUMAN_WORKER:
            return f"question {attempt.number} to {self._notes.assignee(attempt) or 'anybody'}"
        if attempt.worker == RUN_WORKER:
            return f"attempt {attempt.number}: run {short_id(attempt.id)}"
        return f"attempt {attempt.number} on {attempt.worker}"

    def _run_below(self, node: Node, attempt: AttemptRow) -> list[Node]:
        """What the run of an attempt did; the attempt's line gets its name, and its times while it lasts."""
        trace = self._below.get(RunId(attempt.id))
        if trace is None:
            return []
        root = self._tree_of(trace).root()
        node.label += f" {root.label}"
        node.start, node.wait = root.start, root.wait
        if attempt.finished_at is None:
            node.status, node.usage = root.status, root.usage
        return root.children

    def _tree_of(self, trace: RunTrace) -> TraceTree:
        return TraceTree(trace, all_items=self._all_items, below=self._below)

    def _judgements(self, attempt: AttemptRow) -> list[Node]:
        judges = {judge.validator: judge for judge in self._judges[attempt.id]}
        nodes = []
        for verdict in self._verdicts[attempt.id]:
            judge = judges.pop(verdict.validator, None)
            score = "" if verdict.score is None else f" (score {verdict.score:.2g})"
            message = f": {verdict.message}" if verdict.message and verdict.label != "pass" else ""
            node = Node(f"verdict {verdict.validator}{score}{message}", "passed" if verdict.passed else "rejected")
            if judge is not None:
                _time(node, judge)
                node.children += self._calls(judge)
            nodes.append(node)
        for judge in judges.values():
            node = Node(f"validator {judge.validator} on {judge.worker}", judge.status)
            _time(node, judge)
            node.children += self._calls(judge)
            if judge.error is not None:
                node.children.append(Node(f"{judge.error.code}: {judge.error.message}", "failed"))
            nodes.append(node)
        return nodes

    def _calls(self, attempt: AttemptRow) -> list[Node]:
        return call_nodes([span for span in self._trace.spans if span.attempt_id == attempt.id])

    def troubles(self) -> list[Trouble]:
        """Every rejection and error in full, in the order in which they happened."""
        found: list[tuple[float, Trouble]] = []
        for attempt in self._trace.attempts:
            where = f"{place(attempt.step, attempt.item)} attempt {attempt.number}"
            at = attempt.finished_at or 0.0
            if attempt.error is not None:
                found.append((at, Trouble(attempt.step, where, attempt.error.code, attempt.error.message)))
            for verdict in self._verdicts[attempt.id]:
                if not verdict.passed:
                    what = f"rejected by {verdict.validator}"
                    found.append((at, Trouble(attempt.step, where, what, verdict.message)))
            if (trace := self._below.get(RunId(attempt.id))) is not None:
                inner = self._tree_of(trace).troubles()
                step = place(attempt.step, attempt.item)
                found += [(at, replace(each, step=attempt.step, where=f"{step} → {each.where}")) for each in inner]
        return [trouble for _, trouble in sorted(found, key=lambda pair: pair[0])]


def _time(node: Node, attempt: AttemptRow) -> None:
    node.start, node.end = attempt.claimed_at, attempt.finished_at
    node.wait = between(max(attempt.queued_at, attempt.not_before), attempt.claimed_at)
    node.usage = usage_of([attempt])
