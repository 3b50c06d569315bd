"""The dry run of questions to people: `kind: human`, and escalations to a person."""

from __future__ import annotations

import pytest

from orchestrator.domain.policy import ErrorRule, Remedy, RemedyKind, RuleKind, Timeouts
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.model import ExpiresSpec, ForeachSpec, RepeatSpec, ValidatorSpec
from orchestrator.workflow.preview import Known
from tests.unit.workflow.forecasts import ASK, CALL, ONCE, agent, calling, flow, human, planned, worker

REVISE, ESCALATE = RemedyKind.REVISE, RemedyKind.ESCALATE
TWO_DAYS = ExpiresSpec(after=172_800.0)


def test_a_person_is_no_attempt_no_pool_and_no_cost() -> None:
    found = planned(flow(human("approve")))
    (step,) = found.steps
    assert (step.attempts.value, step.verdicts.value, found.pools) == (0, 0, ())
    assert (step.expected_cost, step.worst_cost) == (Figure(0.0, "a person answers"), Figure(0.0, "a person answers"))
    assert (step.expected_seconds, step.worst_seconds) == (
        Figure(None, "waits for a person"),
        Figure(None, "waits for a person"),
    )
    assert found.worst_seconds == Total(None, missing=("approve",))
    assert found.asks == ("approve",)


@pytest.mark.parametrize(
    ("changes", "seconds", "source"),
    [
        ({}, 172_800.0, "expires, 1 question"),
        ({"on_invalid": (Remedy(REVISE, 2),)}, 3 * 172_800.0, "expires, 3 questions"),
        (
            {"on_error": (ErrorRule(RuleKind.ESCALATE, worker="t.quick", pool="quick"),), "retry": ONCE},
            172_800.0 + 1,
            "expires, the worker's timeout, 1 attempt",
        ),
        (
            {"validators": (ValidatorSpec(name="v", worker="t.quick", timeout=2.0),), "retry": ONCE},
            172_800.0 + 2,
            "expires, validators",
        ),
    ],
)
def test_what_expires_ends_the_wait(changes, seconds, source) -> None:
    (step,) = planned(flow(human("approve", expires=TWO_DAYS, **changes))).steps
    assert (step.worst_seconds.value, step.worst_seconds.source) == (seconds, source)


@pytest.mark.parametrize(
    ("assignee", "known"),
    [
        (None, Known(True, "")),
        ("ada@example.org", Known(True, "ada@example.org")),
        ("${{ inputs.approver }}", Known(True, "bob")),
        ("${{ steps.find.output }}", Known(False, reads=("steps.find",))),
    ],
)
def test_who_is_asked_as_far_as_it_is_known(assignee, known) -> None:
    found = planned(flow(human("approve", assignee=assignee), inputs={"approver": {"default": "bob"}}))
    (question,) = found.questions
    assert (question.assignee, question.fields, question.sure) == (known, ("decision", "note"), True)
    assert question.times == Figure(1, "at most")


def test_a_condition_that_is_not_decided_makes_a_question_unsure() -> None:
    step = human("approve", when="steps.find.output.ok")
    (question,) = planned(flow(step)).questions
    assert (question.sure, question.after) == (False, ())
    (skipped,) = planned(flow(human("approve", when="false"))).steps
    assert (skipped.skipped, skipped.questions) == ("when is false with these inputs", ())


ESCALATIONS = {
    "at once": ({"on_invalid": (Remedy(ESCALATE, 1, **ASK),)}, ("1 invalid output",), 1, 1),
    "after revisions": (
        {"on_invalid": (Remedy(REVISE, 2), Remedy(ESCALATE, 1, model="small"), Remedy(ESCALATE, 1, **ASK))},
        ("4 invalid outputs",),
        4,
        1,
    ),
    "never, since it fails before": (
        {"on_invalid": (Remedy(RemedyKind.FAIL), Remedy(ESCALATE, 1, **ASK))},
        None,
        1,
        0,
    ),
    "after an error": ({"on_error": (ErrorRule(RuleKind.ESCALATE, **ASK),)}, ("an error",), 1, 1),
    "after some error": (
        {"on_error": (ErrorRule(RuleKind.ESCALATE, 'error.code == "x"', **ASK),)},
        ('an error with error.code == "x"',),
        1,
        1,
    ),
}


@pytest.mark.parametrize(("changes", "after", "attempts", "times"), ESCALATIONS.values(), ids=ESCALATIONS)
def test_an_escalation_to_a_person_may_be(changes, after, attempts, times) -> None:
    output = {"type": "object", "properties": {"text": {}}}
    found = planned(flow(agent("write", output=output, prompt="", **changes)))
    (step,) = found.steps
    assert step.attempts.value == attempts
    assert [(pool.pool, pool.attempts.value) for pool in found.pools] == [("agents", attempts)]
    if after is None:
        assert step.question is None
        return
    assert step.question is not None
    assert (step.question.after, step.question.sure, step.question.fields) == (after, False, ("text",))
    assert step.question.times.value == times
    assert step.worst_seconds == Figure(None, "waits for a person")
    assert step.worst_cost.source.endswith(f", {times} question at most")


def test_what_a_person_takes_is_not_in_the_total_timeout() -> None:
    asking = agent("write", on_invalid=(Remedy(ESCALATE, 1, **ASK),), timeout=Timeouts(total=5.0))
    assert planned(flow(asking)).steps[0].worst_seconds.value is None


def test_an_escalation_by_on_error_gets_the_total_timeout_anew() -> None:
    rules = (ErrorRule(RuleKind.ESCALATE, model="small"),)
    (step,) = planned(flow(agent("write", on_error=rules, timeout=Timeouts(total=5.0)))).steps
    assert step.worst_seconds == Figure(10.0, "timeout.total, anew after each escalation")


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"foreach": ForeachSpec(items=["a", "b"], as_="n")}, Figure(2, "at most")),
        ({"foreach": ForeachSpec(items="${{ steps.x.output }}", as_="n")}, Figure(1, "of each item", each=True)),
        ({"foreach": ForeachSpec(items=[], as_="n")}, None),
        ({"on_invalid": (Remedy(REVISE, 2),)}, Figure(3, "at most")),
    ],
)
def test_how_often_a_person_is_asked(changes, times) -> None:
    (step,) = planned(flow(human("approve", **changes))).steps
    assert (step.question.times if step.question else None) == times


def test_the_questions_of_child_runs_are_the_runs_own() -> None:
    child = flow(worker("first"), human("approve"), name="child")
    step = calling("review", child, repeat=RepeatSpec(until="true", max=3))
    found = planned(flow(step, human("last"), callees=(child,)))
    assert found.asks == ("review/approve", "last")
    assert [(question.times.value, question.sure) for question in found.questions] == [(3, True), (1, True)]
    assert found.steps[0].asks and found.steps[0].question is None


def test_a_person_makes_what_models_cost_no_dearer() -> None:
    (step,) = planned(flow(agent("write", on_invalid=(Remedy(ESCALATE, 1, **ASK),)))).steps
    assert step.worst_cost.value == pytest.approx(CALL)
