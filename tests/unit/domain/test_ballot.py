"""How votes become a verdict: a majority passes, abstentions are no votes for it, and the figures are said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.ballot import BallotRule, Label, Quote, Vote, count, label_of

RULE = BallotRule(0.8)
NEEDED = "0.8 is needed"
SCORES = st.one_of(st.none(), st.floats(0, 1))


def votes(*scores: float | None) -> list[Vote]:
    return [Vote(score, (f"because {score}",)) for score in scores]


@pytest.mark.parametrize(
    ("scores", "label", "score", "message"),
    [
        ([0.8], "pass", 0.8, f"scored 0.80, {NEEDED}: because 0.8"),
        ([0.79], "fail", 0.79, f"scored 0.79, {NEEDED}: because 0.79"),
        ([None], "inconclusive", None, "inconclusive, it abstained: because None"),
        ([1, 0, 0.9], "pass", 1.9 / 3, f"2 of 3 votes pass, scored 0.63 on average, {NEEDED}: because 1; because 0.9"),
        ([1, 0, None], "fail", 0.5, f"1 of 3 votes pass, scored 0.50 on average, {NEEDED}: because 0; because None"),
        ([1, None, None], "inconclusive", 1, "inconclusive, 2 of 3 votes abstain: because None"),
        ([1, 1, 1, None, None], "pass", 1, f"3 of 5 votes pass, scored 1.00 on average, {NEEDED}: because 1"),
        ([1, 1, None, 0], "fail", 2 / 3, f"2 of 4 votes pass, scored 0.67 on average, {NEEDED}: because None; "
         "because 0"),
    ],
)  # fmt: skip
def test_what_votes_come_to(scores, label, score, message):
    verdict = count(votes(*scores), RULE, model="large")
    assert (verdict.label, verdict.passed) == (label, label == "pass")
    assert verdict.score == (None if score is None else pytest.approx(score))
    assert verdict.message == message
    assert (verdict.evidence["label"], verdict.evidence["min_score"], verdict.evidence["model"]) == (
        label,
        0.8,
        "large",
    )
    assert [vote["score"] for vote in verdict.evidence["votes"]] == scores


def test_an_inconclusive_ballot_passes_only_where_that_is_said():
    lenient = BallotRule(0.8, abstain_passes=True)
    verdict = count(votes(None, None, 0.1), lenient)
    assert (verdict.passed, verdict.label) == (True, "inconclusive")
    assert not count(votes(None, 0.1, 0.1), lenient).passed


@given(st.lists(SCORES, min_size=1, max_size=9))
def test_nothing_passes_without_more_than_half_of_all_votes(scores):
    cast = votes(*scores)
    passing, abstaining = sum(vote.passes(0.8) for vote in cast), scores.count(None)
    label = label_of(cast, RULE)
    assert (label is Label.PASS) == (passing > len(scores) / 2)
    assert (label is Label.INCONCLUSIVE) == (abstaining > len(scores) / 2)
    assert count(cast, RULE).passed == (label is Label.PASS)
    assert label_of([*cast, Vote(None)], RULE) is not Label.PASS or label is Label.PASS, "abstaining never helps"


def test_votes_survive_as_json():
    vote = Vote(0.5, ("a", "b"), (Quote("x", found=True), Quote("y", found=False)))
    assert Vote.from_json(vote.as_json()) == vote
    assert Vote.from_json(Vote(None).as_json()) == Vote(None)
