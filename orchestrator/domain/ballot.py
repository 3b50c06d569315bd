"""How the votes of a judge, a model that is asked one or several times, become one verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.domain.verdict import Verdict

MOST_REASONS = 6
"""Reasons in a verdict's message, which is fed back to the next revision; the evidence has them all."""


class Label(StrEnum):
    """What the votes come to."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Quote:
    """Words that a vote rests on; `found` says whether they stand in what was judged, word for word."""

    text: str
    found: bool


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer of the model: `score` is 0..1, None where it abstains."""

    score: float | None
    reasons: tuple[str, ...] = ()
    quotes: tuple[Quote, ...] = ()

    def passes(self, min_score: float) -> bool:
        """Whether it is for the output."""
        return self.score is not None and self.score >= min_score

    def as_json(self) -> dict[str, Any]:
        """Plain JSON with the keys `score`, `reasons`, `quotes`."""
        quotes = [{"text": quote.text, "found": quote.found} for quote in self.quotes]
        return {"score": self.score, "reasons": list(self.reasons), "quotes": quotes}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Vote:
        """The reverse of `as_json`."""
        quotes = tuple(Quote(quote["text"], quote["found"]) for quote in data["quotes"])
        return cls(data["score"], tuple(data["reasons"]), quotes)


@dataclass(frozen=True, slots=True)
class BallotRule:
    """When votes pass an output.

    Attributes:
        min_score: 0..1; a vote of less is against it.
        abstain_passes: whether an inconclusive ballot lets the output pass.
    """

    min_score: float
    abstain_passes: bool = False


def label_of(votes: Sequence[Vote], rule: BallotRule) -> Label:
    """PASS with more than half of all votes; INCONCLUSIVE if more than half abstain; else FAIL."""
    if 2 * sum(vote.passes(rule.min_score) for vote in votes) > len(votes):
        return Label.PASS
    return Label.INCONCLUSIVE if 2 * sum(vote.score is None for vote in votes) > len(votes) else Label.FAIL


def count(votes: Sequence[Vote], rule: BallotRule, **evidence: Any) -> Verdict:
    """The verdict of at least one vote.

    Args:
        votes: in the order in which they came.
        rule: when they pass the output.
        evidence: what else the verdict is to show, plain JSON.

    Returns:
        The score is the mean of the votes that do not abstain, None if all do. The evidence has `label`, `min_score`
        and `votes`. The message gives the figures and the reasons of the votes that decided.
    """
    label = label_of(votes, rule)
    cast = [vote.score for vote in votes if vote.score is not None]
    score = sum(cast) / len(cast) if cast else None
    reasons = dict.fromkeys(reason for vote in votes if _decided(vote, label, rule) for reason in vote.reasons)
    said = "; ".join(list(reasons)[:MOST_REASONS])
    return Verdict(
        passed=label is Label.PASS or (label is Label.INCONCLUSIVE and rule.abstain_passes),
        message=_figures(votes, label, score, rule) + (f": {said}" if said else ""),
        score=score,
        evidence={
            "label": label.value,
            "min_score": rule.min_score,
            "votes": [vote.as_json() for vote in votes],
            **evidence,
        },
    )


def _decided(vote: Vote, label: Label, rule: BallotRule) -> bool:
    if label is Label.PASS:
        return vote.passes(rule.min_score)
    return vote.score is None if label is Label.INCONCLUSIVE else not vote.passes(rule.min_score)


def _figures(votes: Sequence[Vote], label: Label, score: float | None, rule: BallotRule) -> str:
    """`scored 0.55, 0.8 is needed`; of several votes, how many did what."""
    if label is Label.INCONCLUSIVE:
        abstained = sum(vote.score is None for vote in votes)
        return "inconclusive, " + ("it abstained" if len(votes) == 1 else f"{abstained} of {len(votes)} votes abstain")
    needed = f"{rule.min_score:g} is needed"
    if len(votes) == 1:
        return f"scored {score:.2f}, {needed}"
    passing = sum(vote.passes(rule.min_score) for vote in votes)
    return f"{passing} of {len(votes)} votes pass, scored {score:.2f} on average, {needed}"
