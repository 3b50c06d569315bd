"""Whether a step may start: as soon as its own dependencies have settled, and never before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.run import StepState


class Readiness(StrEnum):
    """What a step's dependencies allow."""

    WAIT = "wait"
    GO = "go"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Ruling:
    """The readiness of a step, with the reason where it is skipped."""

    readiness: Readiness
    reason: str = ""


def rule(needs: Mapping[str, Sequence[str]], steps: Mapping[str, StepState]) -> Ruling:
    """Hold `needs` (step id → allowed outcomes) against where those steps stand.

    A mismatch skips at once, without waiting for the others: nothing they do can mend it.
    """
    waiting = False
    for dependency, allowed in needs.items():
        state = steps[dependency]
        if not state.settled:
            waiting = True
        elif state.status not in allowed:
            return Ruling(Readiness.SKIP, f"needs {dependency} to have {_either(allowed)}; it {_became(state)}")
    return Ruling(Readiness.WAIT if waiting else Readiness.GO)


def _either(allowed: Sequence[str]) -> str:
    words = {"succeeded": "succeeded", "failed": "failed", "skipped": "been skipped"}
    return " or ".join(words.get(outcome, outcome) for outcome in allowed)


def _became(state: StepState) -> str:
    return f"was {state.status}" if state.status in ("skipped", "cancelled") else str(state.status)
