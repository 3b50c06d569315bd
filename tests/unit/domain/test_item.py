"""An item's way through retries, remedies, verdicts and rules."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from orchestrator.domain.identity import AttemptId
from orchestrator.domain.item import (
    ItemState,
    Phase,
    on_failure,
    on_invalid,
    on_judge_failure,
    on_judge_sent,
    on_output,
    on_sent,
    on_total_timeout,
    on_verdict,
)
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import Payload
from orchestrator.domain.policy import Backoff, ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind
from orchestrator.domain.verdict import Verdict

RETRY = RetryPolicy(max_attempts=3, backoff=Backoff(initial=1.0, factor=2.0, max=3.0, jitter=False))
OUTPUT = Payload.of({"answer": 42}).ref
NO = Verdict(False, "too short", "long enough")
YES = Verdict(True, "", "long enough")
REVISE_TWICE = Remedy(RemedyKind.REVISE, times=2)
TO_RULES = Remedy(RemedyKind.ESCALATE, worker="rules.answer", pool="rules")


def attempt() -> AttemptId:
    return AttemptId(uuid.uuid4())


def sent(item: ItemState | None = None) -> ItemState:
    return on_sent(item or ItemState("write"), attempt())


def no_rule(error: ErrorInfo, used: tuple[int, ...]) -> None:
    return None


def first_rule(*rules: ErrorRule):
    def choose(error: ErrorInfo, used: tuple[int, ...]) -> tuple[int, ErrorRule] | None:
        return next(((place, rule) for place, rule in enumerate(rules) if place not in used), None)

    return choose


def test_output_without_validators_succeeds():
    done = on_output(sent(), OUTPUT, (), (), ())
    assert (done.phase, done.output, done.number) == (Phase.SUCCEEDED, OUTPUT, 1)


def test_bad_output_goes_through_the_remedies_in_their_order_and_then_fails():
    item, seen = sent(), []
    while not item.settled:
        item = on_output(item, OUTPUT, [NO], (), [REVISE_TWICE, TO_RULES])
        seen.append((item.phase, item.why, item.worker))
        item = item if item.settled else sent(item)
    assert seen == [
        (Phase.READY, "revise", None),
        (Phase.READY, "revise", None),
        (Phase.READY, "escalate", "rules.answer"),
        (Phase.FAILED, "", "rules.answer"),
    ]
    assert item.error == ErrorInfo("invalid_output", "invalid_output", "long enough: too short")
    assert item.number == 4


def test_a_revision_is_told_why_and_what_was_refused_and_counts_its_tries_afresh():
    item = on_output(replace(sent(), tries=3), OUTPUT, [NO], (), [REVISE_TWICE])
    assert item.feedback == ("long enough: too short",)
    assert (item.rejected, item.output, item.tries, item.revision) == (OUTPUT, None, 0, 1)


def test_continue_keeps_the_bad_output_and_marks_it():
    item = on_output(sent(), OUTPUT, [NO], (), [Remedy(RemedyKind.CONTINUE)])
    assert (item.phase, item.output, item.marked) == (Phase.SUCCEEDED, OUTPUT, True)


def test_nothing_moves_on_before_every_judge_has_answered():
    item = on_output(sent(), OUTPUT, [YES], ("links", "tone"), ())
    assert item.phase is Phase.VALIDATING and item.wants_dispatch
    for name in ("links", "tone"):
        item = on_judge_sent(item, name, attempt())
    assert not item.wants_dispatch
    item = on_verdict(item, Verdict(True, "", "tone"), ())
    assert item.phase is Phase.VALIDATING
    item = on_verdict(item, Verdict(True, "", "links"), ())
    assert item.phase is Phase.SUCCEEDED


def test_one_judge_that_refuses_is_enough():
    item = on_output(sent(), OUTPUT, (), ("links", "tone"), ())
    item = on_verdict(item, Verdict(False, "dead link", "links"), [REVISE_TWICE])
    item = on_verdict(item, Verdict(True, "", "tone"), [REVISE_TWICE])
    assert (item.phase, item.feedback) == (Phase.READY, ("links: dead link",))


@pytest.mark.parametrize("error_class", ["rate_limit", "timeout", "connection", "worker_lost", "server_error"])
def test_infrastructure_errors_are_retried_with_backoff_until_the_limit(error_class: str):
    error, item, delays = ErrorInfo("x", error_class, "no"), sent(), []
    while not item.settled:
        item = on_failure(item, error, RETRY, (), no_rule)
        delays.append(item.delay if item.phase is Phase.READY else None)
        item = item if item.settled else sent(item)
    assert delays == [1.0, 2.0, None]
    assert (item.phase, item.number, item.error) == (Phase.FAILED, 3, error)


def test_other_errors_are_not_retried():
    item = on_failure(sent(), ErrorInfo("boom", "error", "no"), RETRY, (), no_rule)
    assert item.phase is Phase.FAILED


def test_malformed_model_output_is_invalid_and_never_retried_as_infrastructure():
    error = ErrorInfo("malformed", "invalid_output", "not JSON")
    item = on_failure(sent(), error, RETRY, [REVISE_TWICE], no_rule)
    assert (item.phase, item.why, item.feedback, item.tries) == (Phase.READY, "revise", ("not JSON",), 0)


@pytest.mark.parametrize(
    ("rule", "phase"),
    [
        (ErrorRule(RuleKind.CONTINUE, output={"url": "existing"}), Phase.SUCCEEDED),
        (ErrorRule(RuleKind.SKIP), Phase.SKIPPED),
        (ErrorRule(RuleKind.FAIL), Phase.FAILED),
        (ErrorRule(RuleKind.ESCALATE, worker="other"), Phase.READY),
    ],
)
def test_on_error_decides_after_the_retries(rule: ErrorRule, phase: Phase):
    item = on_failure(sent(), ErrorInfo("duplicate", "error", "no"), RETRY, (), first_rule(rule))
    assert item.phase is phase
    if phase is Phase.SUCCEEDED:
        assert item.output == Payload.of({"url": "existing"}).ref and item.marked


def test_an_escalation_by_rule_is_used_once():
    choose = first_rule(ErrorRule(RuleKind.ESCALATE, worker="other", pool="p"))
    error = ErrorInfo("boom", "error", "no")
    item = on_failure(sent(), error, RETRY, (), choose)
    assert (item.worker, item.pool) == ("other", "p")
    assert on_failure(sent(item), error, RETRY, (), choose).phase is Phase.FAILED


def test_a_validator_that_fails_is_retried_and_never_taken_for_a_pass():
    error = ErrorInfo("boom", "timeout", "slow")
    item = on_judge_sent(on_output(sent(), OUTPUT, (), ("links",), ()), "links", attempt())
    for _ in range(RETRY.max_attempts - 1):
        item = on_judge_failure(item, "links", error, RETRY, no_rule)
        assert item.phase is Phase.VALIDATING and item.wants_dispatch
        item = on_judge_sent(item, "links", attempt())
    item = on_judge_failure(item, "links", error, RETRY, no_rule)
    assert item.phase is Phase.FAILED and item.error is not None and item.error.code == "validator_failed"


def test_the_total_timeout_ends_an_item_in_any_phase():
    validating = on_output(sent(), OUTPUT, (), ("links",), ())
    for item in (sent(), validating):
        ended = on_total_timeout(item, 5.0, 100.0, no_rule)
        assert ended.phase is Phase.FAILED and ended.error is not None and ended.error.code == "total_timeout"


def test_no_remedy_is_a_failure():
    assert on_invalid(sent(), ("bad",), ()).phase is Phase.FAILED


def test_continue_needs_an_output_to_continue_with():
    malformed = ErrorInfo("malformed", "invalid_output", "not JSON")
    assert on_failure(sent(), malformed, RETRY, [Remedy(RemedyKind.CONTINUE)], no_rule).phase is Phase.FAILED


def test_an_escalation_after_the_total_timeout_gets_the_time_anew():
    choose = first_rule(ErrorRule(RuleKind.ESCALATE, worker="other"))
    late = on_total_timeout(replace(sent(), ready_at=1.0), 5.0, 100.0, choose)
    assert (late.phase, late.worker, late.ready_at) == (Phase.READY, "other", 100.0)


def test_a_validator_that_cannot_judge_asks_on_error():
    item = on_judge_sent(on_output(sent(), OUTPUT, (), ("links",), ()), "links", attempt())
    rule = ErrorRule(RuleKind.CONTINUE, output="checked by hand")
    judged = on_judge_failure(item, "links", ErrorInfo("boom", "error", "broken"), RETRY, first_rule(rule))
    assert (judged.phase, judged.output) == (Phase.SUCCEEDED, Payload.of("checked by hand").ref)


def test_the_later_judges_are_asked_once_all_of_the_first_have_passed():
    item = on_output(sent(), OUTPUT, [YES], ("links", "tone"), (), later=("faithful", "kind"))
    assert [judge.name for judge in item.judges_due] == ["links", "tone"]
    for name in ("links", "tone"):
        item = on_judge_sent(item, name, attempt())
    item = on_verdict(item, Verdict(True, "", "tone"), ())
    assert not item.wants_dispatch, "links has not answered"
    item = on_verdict(item, Verdict(True, "", "links"), ())
    assert item.phase is Phase.VALIDATING
    assert [judge.name for judge in item.judges_due] == ["faithful", "kind"]
    for name in ("faithful", "kind"):
        item = on_judge_sent(item, name, attempt())
        assert item.phase is Phase.VALIDATING
    item = on_verdict(item, Verdict(True, "", "kind"), ())
    item = on_verdict(item, Verdict(True, "", "faithful"), ())
    assert (item.phase, item.judges) == (Phase.SUCCEEDED, ())


def test_the_later_judges_are_not_asked_about_what_was_refused():
    item = on_output(sent(), OUTPUT, (), ("links",), (), later=("faithful",))
    item = on_verdict(item, Verdict(False, "dead link", "links"), [REVISE_TWICE])
    assert (item.phase, item.judges, item.feedback) == (Phase.READY, (), ("links: dead link",))


def test_without_others_the_later_judges_are_asked_at_once_and_a_retry_is_due_again():
    item = on_output(sent(), OUTPUT, (), (), (), later=("faithful",))
    item = on_judge_sent(item, "faithful", attempt())
    item = on_judge_failure(item, "faithful", ErrorInfo("gone", "connection", "no"), RETRY, no_rule)
    assert [(judge.name, judge.tries) for judge in item.judges_due] == [("faithful", 1)]
