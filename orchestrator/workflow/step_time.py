"""How many seconds one step takes: what is to be expected, and the worst that its timeouts allow."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.domain.policy import RuleKind
from orchestrator.domain.worker import AGENT_WORKER, HUMAN_WORKER, RUN_WORKER
from orchestrator.workflow.figures import Facts, Figure, runs_text
from orchestrator.workflow.ladder import Target, ladder_of, one_iteration, tries_of, waits_of

if TYPE_CHECKING:
    from orchestrator.workflow.child_run import ChildRun
    from orchestrator.workflow.model import StepSpec, ValidatorSpec

NO_HISTORY = "no past run tells"
WAITS = "waits for a person"


class StepTime:
    """The duration of one step.

    Args:
        spec: the step.
        facts: timeouts, past runs.
        items: how many items, 1 without a `foreach`, None where it is not known.
        child: one of its child runs, where it starts any.
    """

    def __init__(self, spec: StepSpec, facts: Facts, items: int | None, child: ChildRun | None = None) -> None:
        self.spec, self.facts, self.items, self.child = spec, facts, items, child
        self.iterations = spec.repeat.max if spec.repeat is not None else 1
        self.ladder = ladder_of(spec)
        self.history = facts.history_of(spec.id, spec.worker)

    def expected(self) -> Figure:
        """The median of past runs, else one child run for every item, in one iteration."""
        if self.history is not None and self.history.seconds is not None:
            return Figure(self.history.seconds, f"median of {runs_text(self.history.runs)}")
        if self.spec.worker == HUMAN_WORKER:
            return Figure(None, WAITS)
        if self.child is None:
            return Figure(None, NO_HISTORY)
        one = self.child.expected_seconds
        return self._all_items(one if one.value is None else replace(one, source=one.source + one_iteration(self.spec)))

    def worst(self) -> Figure:
        """Every attempt up to its timeout, without waiting in queues; as many items at once as `max_parallel` lets."""
        return self._all_items(self._worst_item())

    def _all_items(self, one: Figure) -> Figure:
        if one.value is None or self.spec.foreach is None:
            return one
        if self.items is None:
            return replace(one, each=True)
        at_once = self.spec.foreach.max_parallel or max(1, self.items)
        return one.times(math.ceil(self.items / at_once), f"{one.source}, {self.items} items {at_once} at once")

    def _worst_item(self) -> Figure:
        """What machines take, within `timeout.total`, and what people may take besides, which does not count in it."""
        asking = self._asking()
        if asking.value is None:
            return asking
        work, total = self._worst_work(), self._total()
        if total.value is not None and (work.value is None or total.value <= work.value):
            work = total
        if not asking.value or work.value is None:
            return work
        return asking.plus(work) if not work.value else Figure(asking.value + work.value, f"expires, {work.source}")

    def _total(self) -> Figure:
        """`timeout.total` counts over all iterations; each escalation by `on_error` gets it anew."""
        total = self.spec.timeout.total
        escalations = sum(rule.kind is RuleKind.ESCALATE for rule in self.spec.on_error) * self.iterations
        if total is None or not escalations:
            return Figure(total, "timeout.total")
        return Figure(total * (1 + escalations), "timeout.total, anew after each escalation")

    def _asking(self) -> Figure:
        """What the questions of one item wait at most."""
        if not self.ladder.asks:
            return Figure(0.0, "nobody is asked")
        if self.spec.expires is None:
            return Figure(None, WAITS)
        return Figure(self.spec.expires.after * self.ladder.asks, f"expires, {_count(self.ladder.asks, 'question')}")

    def _worst_work(self) -> Figure:
        """Every attempt of one item up to its timeout, with the waits between; without waiting in queues."""
        seconds, sources = 0.0, dict[str, None]()
        for rung in self.ladder.rungs:
            limits = [self._timeout(target) for target in rung.targets if target.worker != HUMAN_WORKER]
            unknown = next((limit for limit in limits if limit.value is None), None)
            if unknown is not None:
                return unknown
            sources |= dict.fromkeys(limit.source for limit in limits)
            slowest = max((limit.value or 0.0 for limit in limits), default=0.0)
            tries = self.ladder.tries_on(rung)
            waits = waits_of(self.spec.retry) if tries > 1 else 0.0
            seconds += rung.rounds * (slowest * tries + waits) if limits else 0.0
        judging = self._judging()
        if judging.value is None:
            return judging
        one = seconds + self.ladder.rounds * judging.value
        return Figure(one * self.iterations, ", ".join([*(sources or [judging.source]), *self._counts()]))

    def _counts(self) -> list[str]:
        counts = [(self.ladder.runs, "child run"), (self.ladder.work, "attempt")]
        repeated = [] if self.spec.repeat is None else [_count(self.iterations, "iteration")]
        return [_count(count, noun) for count, noun in counts if count] + repeated

    def _timeout(self, target: Target) -> Figure:
        if target.worker == RUN_WORKER and self.child is not None:
            return self.child.worst_seconds
        if self.spec.timeout.attempt is not None:
            return Figure(self.spec.timeout.attempt, "timeout.attempt")
        if target.worker != AGENT_WORKER:
            declared = self.facts.timeouts.get(target.worker)
            return Figure(declared, "the worker's timeout" if declared else f"{target.worker} has no timeout")
        if self.spec.tools:
            return Figure(None, "an agent with tools has no timeout but timeout.attempt")
        known = self.facts.model(target.model)
        if known is None or known[1].timeout is None:
            return Figure(None, "the model has no timeout")
        return Figure(known[1].timeout, "the model's timeout")

    def _judging(self) -> Figure:
        """The slowest validator of one round, and then the slowest judge; those of a kind run side by side."""
        slowest = {True: 0.0, False: 0.0}
        for validator in self.spec.validators:
            if validator.worker is None:
                continue
            limit = self._patience(validator)
            if limit is None:
                return Figure(None, f"{validator.worker} has no timeout")
            is_judge = validator.judge is not None
            once = limit * tries_of(self.spec.retry) + waits_of(self.spec.retry)
            slowest[is_judge] = max(slowest[is_judge], once)
        return Figure(sum(slowest.values()), "validators")

    def _patience(self, validator: ValidatorSpec) -> float | None:
        """What a validator may take for one output; the votes of a judge are asked for side by side."""
        if validator.timeout is not None or validator.judge is None:
            return validator.timeout or self.facts.timeouts.get(validator.worker or "")
        known = self.facts.model(validator.judge.model)
        return None if known is None else known[1].timeout


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
