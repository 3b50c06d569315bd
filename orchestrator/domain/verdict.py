"""What a validator said of an attempt's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """One validator's judgement.

    Attributes:
        validator: the validator's name within the step (`output schema`, `cited`, …).
        passed: whether the output may move on as far as this validator is concerned.
        message: why not; fed back to the next revision. May be empty when it passed.
        score: 0..1 where the validator gives one.
        evidence: plain JSON that shows what the verdict rests on.
    """

    passed: bool
    message: str = ""
    validator: str = ""
    score: float | None = None
    evidence: Any = field(default=None, hash=False)

    @property
    def label(self) -> str:
        """What it is called: `pass`, `fail` or `inconclusive`."""
        return label_of(self.evidence, passed=self.passed)


def label_of(evidence: Any, *, passed: bool) -> str:
    """What a verdict with this evidence is called: `pass`, `fail`, or `inconclusive` where most votes abstained."""
    said = evidence.get("label") if isinstance(evidence, dict) else None
    return "inconclusive" if said == "inconclusive" else "pass" if passed else "fail"


def failures(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """The messages of the verdicts that did not pass, in order, each led by its validator's name."""
    return tuple(f"{v.validator}: {v.message}" if v.message else v.validator for v in verdicts if not v.passed)
