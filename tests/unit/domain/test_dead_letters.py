"""A dead letter is what failed because its tries were used up, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.item import ItemState, Judge, Phase, on_failure, on_judge_failure
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.policy import ErrorRule, RetryPolicy, RuleKind
from orchestrator.domain.progress import PLAIN, Gathering, on_item_settled
from orchestrator.domain.run import StepState, StepStatus

TWICE = RetryPolicy(max_attempts=2)
LOST = ErrorInfo("worker_lost", "worker_lost", "gone")
OWN = ErrorInfo("bad", "error", "its own fault")


def after(error: ErrorInfo, tries: int, rule: ErrorRule | None = None, retry: RetryPolicy = TWICE) -> ItemState:
    """What becomes of an item that runs for the `tries`th time."""
    item = ItemState("s", phase=Phase.RUNNING, number=tries, tries=tries)
    return on_failure(item, error, retry, (), lambda *_: None if rule is None else (0, rule))


@pytest.mark.parametrize(
    ("error", "tries", "rule", "phase", "dead"),
    [
        (LOST, 1, None, Phase.READY, False),
        (LOST, 2, None, Phase.FAILED, True),
        (OWN, 2, None, Phase.FAILED, False),
        (LOST, 2, ErrorRule(RuleKind.FAIL), Phase.FAILED, True),
        (LOST, 2, ErrorRule(RuleKind.SKIP), Phase.SKIPPED, False),
        (LOST, 2, ErrorRule(RuleKind.CONTINUE, output={}), Phase.SUCCEEDED, False),
        (LOST, 2, ErrorRule(RuleKind.ESCALATE, worker="w", pool="p"), Phase.READY, False),
    ],
)
def test_an_item_is_dead_once_its_tries_are_used_up(error, tries, rule, phase, dead) -> None:
    item = after(error, tries, rule)
    assert (item.phase, item.dead) == (phase, dead)


def test_an_error_that_is_not_tried_again_makes_no_dead_letter() -> None:
    assert not after(LOST, 2, retry=RetryPolicy(errors=("timeout",))).dead


def test_a_validator_whose_tries_are_used_up_makes_one_too() -> None:
    judged = ItemState("s", phase=Phase.VALIDATING, judges=(Judge("links", Phase.RUNNING, tries=2),))
    item = on_judge_failure(judged, "links", LOST, TWICE, lambda *_: None)
    assert (item.phase, item.dead) == (Phase.FAILED, True)


@pytest.mark.parametrize(
    ("gathering", "status", "dead"),
    [
        (PLAIN, StepStatus.FAILED, True),
        (Gathering(collect=True), StepStatus.SUCCEEDED, False),
        (Gathering(collect=True, min_success=1.0), StepStatus.FAILED, True),
    ],
)
def test_a_foreach_is_dead_if_it_failed_by_a_dead_item(gathering, status, dead) -> None:
    step = StepState("s", StepStatus.RUNNING, total=2, sent=2)
    step = on_item_settled(step, ItemState("s", 0, Phase.FAILED, error=LOST, dead=True), gathering, 1.0)
    step = on_item_settled(step, ItemState("s", 1, Phase.SUCCEEDED), gathering, 2.0)
    assert (step.status, step.dead) == (status, dead)


def test_the_error_that_a_foreach_failed_by_decides() -> None:
    step = StepState("s", StepStatus.RUNNING, total=2, sent=2)
    step = on_item_settled(step, ItemState("s", 0, Phase.FAILED, error=OWN), PLAIN, 1.0)
    step = on_item_settled(step, ItemState("s", 1, Phase.FAILED, error=LOST, dead=True), PLAIN, 2.0)
    assert (step.status, step.dead, step.error) == (StepStatus.FAILED, False, OWN)


def test_a_plain_step_takes_it_from_its_item() -> None:
    item = replace(after(LOST, 2), index=-1)
    assert on_item_settled(StepState("s", StepStatus.RUNNING), item, PLAIN, 1.0).dead
