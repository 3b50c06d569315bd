"""Items that wait for people, and items that are done again until they are good enough."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.domain.identity import AttemptId, new_run_id
from orchestrator.domain.item import ItemState, Phase, on_answered, on_asked, on_expired, on_sent
from orchestrator.domain.payload import Payload
from orchestrator.domain.policy import ErrorRule, RuleKind
from orchestrator.domain.repetition import on_iterated

OUTPUT = Payload.of({"text": "x"}).ref
DONE = ItemState("s", phase=Phase.SUCCEEDED, number=3, revision=2, worker="other", output=OUTPUT, ready_at=5.0)


def nothing(_error: Any, _used: Any) -> None:
    """An `on_error` without rules."""


def rule(kind: RuleKind, **others: Any) -> Any:
    """An `on_error` with one rule for everything."""
    return lambda _error, used: None if used else (0, ErrorRule(kind, **others))


def asked() -> ItemState:
    """An item that a person was asked for ten seconds after it was ready."""
    sent = on_sent(ItemState("s", ready_at=100.0), AttemptId(new_run_id()))
    return on_asked(sent, 110.0)


def test_the_time_that_a_person_takes_is_not_the_steps():
    answered = on_answered(asked(), 170.0)
    assert (answered.ready_at, answered.asked_at) == (160.0, 0.0)
    assert on_answered(answered, 500.0) == answered


@pytest.mark.parametrize(
    ("skip", "choose", "phase", "why"),
    [
        (True, nothing, Phase.SKIPPED, "no answer within 60 s"),
        (False, nothing, Phase.FAILED, ""),
        (False, rule(RuleKind.CONTINUE, output={"decision": "reject"}), Phase.SUCCEEDED, ""),
        (False, rule(RuleKind.SKIP), Phase.SKIPPED, "on_error: skip"),
    ],
)
def test_an_answer_that_does_not_come(skip: bool, choose: Any, phase: Phase, why: str):
    after = on_expired(asked(), 60.0, skip=skip, choose=choose)
    assert (after.phase, after.why, after.error.code) == (phase, why, "expired")


def test_an_iteration_that_is_good_enough_is_the_last():
    assert on_iterated(DONE, 3, done=True, until="x", choose=nothing) == DONE


def test_a_further_iteration_begins_afresh_with_the_last_output():
    after = on_iterated(DONE, 3, done=False, until="x", choose=nothing)
    assert after == ItemState(
        "s", phase=Phase.READY, number=3, ready_at=5.0, iteration=2, previous=OUTPUT, why="iteration 2"
    )


def test_there_is_an_end_to_iterations():
    last = replace(DONE, iteration=3)
    after = on_iterated(last, 3, done=False, until="output.ok", choose=nothing)
    assert (after.phase, after.error.code) == (Phase.FAILED, "repeat_exhausted")
    assert after.error.message == "until: output.ok was still false after 3 iterations"
    kept = on_iterated(last, 3, done=False, until="output.ok", choose=rule(RuleKind.CONTINUE, output=1))
    assert (kept.phase, kept.marked) == (Phase.SUCCEEDED, True)
