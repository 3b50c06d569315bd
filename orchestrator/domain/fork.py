"""A fork: a new run that takes over what another has settled, and does the rest again. Pure: which steps those are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.domain.identity import RunId
from orchestrator.domain.item import ItemState
from orchestrator.domain.run import StepState, StepStatus

Needs = Mapping[str, Iterable[str]]
"""For each step the steps that it needs, as the workflow says."""

REUSABLE = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED})
"""Outcomes that a fork takes over. A cancelled step was broken off, so it has none of its own."""


@dataclass(frozen=True, slots=True)
class Fork:
    """What a run does again of the run that it was forked from.

    Attributes:
        steps: that are done again, and with them all that lies behind them.
        with_: overlays the rendered `with` of the one step; plain JSON, never a template.
        retry: it tries again what had failed.
    """

    steps: tuple[str, ...] = ()
    with_: Mapping[str, Any] = field(default_factory=dict, hash=False)
    retry: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON with the keys `steps`, `with`, `retry`."""
        return {"steps": list(self.steps), "with": dict(self.with_), "retry": self.retry}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Fork:
        """The reverse of `as_json`."""
        return cls(tuple(data["steps"]), data["with"], data["retry"])

    def overlay(self, step: str) -> Mapping[str, Any]:
        """What is laid over the rendered `with` of a step; empty for every other than the one that it is meant for."""
        return self.with_ if step in self.steps else {}


def behind(needs: Needs, steps: Iterable[str]) -> frozenset[str]:
    """`steps`, and every step that needs one of them, also over others."""
    dependants: dict[str, list[str]] = {}
    for step, needed in needs.items():
        for each in needed:
            dependants.setdefault(each, []).append(step)
    found = set(steps)
    work = list(found)
    while work:
        fresh = set(dependants.get(work.pop(), ())) - found
        found |= fresh
        work += fresh
    return frozenset(found)


def reusable(statuses: Mapping[str, StepStatus], needs: Needs, again: Iterable[str]) -> tuple[str, ...]:
    """The steps whose outcomes a fork takes over, in the order of `statuses`.

    Args:
        statuses: where the steps of the source stand, those of `finally` left out.
        needs: see `Needs`.
        again: steps that are done again, and with them all that lies behind them.
    """
    redone = behind(needs, again)
    return tuple(step for step, status in statuses.items() if status in REUSABLE and step not in redone)


def to_retry(statuses: Mapping[str, StepStatus], excused: Collection[str]) -> tuple[str, ...]:
    """The failed steps that a retry tries again: all but the excused, whose failure a dependant accepts."""
    return tuple(step for step, status in statuses.items() if status is StepStatus.FAILED and step not in excused)


def reused_step(step: StepState, source: RunId, now: float) -> StepState:
    """A step of `source` as it stands in a fork of it: its outcome and no attempts, told apart by `reused_from`."""
    origin, reason = step.reused_from, step.reason
    if origin is None:
        origin, reason = source, f"reused from run {source}" + (f": {step.reason}" if step.reason else "")
    return replace(step, reused_from=origin, reason=reason, attempts=0, started_at=None, finished_at=now)


def reused_item(item: ItemState) -> ItemState:
    """An item of a step that is reused: what the step's output is put together from, and nothing else."""
    return ItemState(
        item.step, item.index, item.phase, output=item.output, error=item.error, dead=item.dead, marked=item.marked
    )
