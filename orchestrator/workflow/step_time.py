"""How many seconds one step takes: what is to be expected, and the worst that its timeouts allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.workflow.figures import Facts, Figure, runs_text
from orchestrator.workflow.ladder import Target, ladder_of, tries_of, waits_of

if TYPE_CHECKING:
    from orchestrator.workflow.model import StepSpec

NO_HISTORY = "no past run tells"


class StepTime:
    """The duration of one step.

    Args:
        spec: the step.
        facts: timeouts, past runs.
        items: how many items, 1 without a `foreach`, None where it is not known.
    """

    def __init__(self, spec: StepSpec, facts: Facts, items: int | None) -> None:
        self.spec, self.facts, self.items = spec, facts, items
        self.ladder = ladder_of(spec)
        self.history = facts.history_of(spec.id, spec.worker)

    def expected(self) -> Figure:
        """The median of past runs."""
        if self.history is None or self.history.seconds is None:
            return Figure(None, NO_HISTORY)
        return Figure(self.history.seconds, f"median of {runs_text(self.history.runs)}")

    def worst(self) -> Figure:
        """Every attempt up to its timeout, without waiting in queues; as many items at once as `max_parallel` lets."""
        one = self._worst_item()
        if one.value is None or self.spec.foreach is None:
            return one
        if self.items is None:
            return Figure(one.value, one.source, each=True)
        at_once = self.spec.foreach.max_parallel or max(1, self.items)
        batches = math.ceil(self.items / at_once)
        return Figure(one.value * batches, f"{one.source}, {self.items} items {at_once} at once")

    def _worst_item(self) -> Figure:
        total = self.spec.timeout.total
        work = self._worst_work()
        if total is not None and (work.value is None or total <= work.value):
            return Figure(total, "timeout.total")
        return work

    def _worst_work(self) -> Figure:
        """Every attempt of one item up to its timeout, with the waits between; without waiting in queues."""
        seconds, sources = 0.0, dict[str, None]()
        for rung in self.ladder.rungs:
            slowest = 0.0
            for target in rung.targets:
                limit = self._timeout(target)
                if limit.value is None:
                    return limit
                slowest = max(slowest, limit.value)
                sources[limit.source] = None
            seconds += rung.rounds * (slowest * self.ladder.tries + waits_of(self.spec.retry))
        judging = self._judging()
        if judging.value is None:
            return judging
        return Figure(
            seconds + self.ladder.rounds * judging.value, f"{', '.join(sources)}, {self.ladder.work} attempts"
        )

    def _timeout(self, target: Target) -> Figure:
        if self.spec.timeout.attempt is not None:
            return Figure(self.spec.timeout.attempt, "timeout.attempt")
        if target.worker != AGENT_WORKER:
            declared = self.facts.timeouts.get(target.worker)
            return Figure(declared, "the worker's timeout" if declared else f"{target.worker} has no timeout")
        known = self.facts.model(target.model)
        if known is None or known[1].timeout is None:
            return Figure(None, "the model has no timeout")
        return Figure(known[1].timeout, "the model's timeout")

    def _judging(self) -> Figure:
        """The slowest validator of one round; they run side by side."""
        slowest = 0.0
        for validator in self.spec.validators:
            if validator.worker is None:
                continue
            limit = validator.timeout if validator.timeout is not None else self.facts.timeouts.get(validator.worker)
            if limit is None:
                return Figure(None, f"{validator.worker} has no timeout")
            slowest = max(slowest, limit * tries_of(self.spec.retry) + waits_of(self.spec.retry))
        return Figure(slowest, "validators")
