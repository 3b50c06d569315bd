"""The attempts that a step may come to at most, held against the functions that decide each attempt."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.identity import attempt_id, new_run_id
from orchestrator.domain.item import ItemState, Phase, on_failure, on_output, on_sent
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import Payload
from orchestrator.domain.policy import Backoff, ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import AGENT_WORKER, HUMAN_WORKER, RUN_WORKER
from orchestrator.workflow import StepSpec, ValidatorSpec
from orchestrator.workflow.ladder import Target, attempts_by_pool, ladder_of, waits_of

REVISE, ESCALATE = RemedyKind.REVISE, RemedyKind.ESCALATE
SMALL, LARGE = Target(AGENT_WORKER, "agents", "small"), Target(AGENT_WORKER, "agents", "large")
RULES = Target("by.rules", "rules")
TO_LARGE, TO_RULES = {"model": "large"}, {"worker": "by.rules", "pool": "rules"}
PERSON, TO_PERSON = Target(HUMAN_WORKER, ""), {"worker": HUMAN_WORKER, "pool": ""}
CHILD_RUN = {"kind": "workflow", "worker": RUN_WORKER, "pool": "", "model": None}
QUESTION = {"kind": "human", "worker": HUMAN_WORKER, "pool": "", "model": None}
ATTEMPT = attempt_id(new_run_id(), "write", -1, 1)
OUTPUT = Payload.of("no good").ref
WRONG = Verdict(False, "too long", "short")


def step(**changes) -> StepSpec:
    values = {"id": "write", "kind": "agent", "worker": AGENT_WORKER, "pool": "agents", "model": "small"}
    return StepSpec(**(values | changes))


CASES = {
    "nothing said": ({}, [("first", 1, (SMALL,))], 3),
    "no retry": ({"retry": RetryPolicy(max_attempts=1)}, [("first", 1, (SMALL,))], 1),
    "no class to retry": ({"retry": RetryPolicy(errors=())}, [("first", 1, (SMALL,))], 1),
    "revise, then another model": (
        {"on_invalid": (Remedy(REVISE, 2), Remedy(ESCALATE, 1, **TO_LARGE))},
        [("first", 1, (SMALL,)), ("revise", 2, (SMALL,)), ("escalate", 1, (LARGE,))],
        12,
    ),
    "what stands behind fail is never reached": (
        {"on_invalid": (Remedy(REVISE), Remedy(RemedyKind.FAIL), Remedy(ESCALATE, 1, **TO_LARGE))},
        [("first", 1, (SMALL,)), ("revise", 1, (SMALL,))],
        6,
    ),
    "a revision after an escalation stays there": (
        {"on_invalid": (Remedy(ESCALATE, 1, **TO_RULES), Remedy(REVISE, 3))},
        [("first", 1, (SMALL,)), ("escalate", 1, (RULES,)), ("revise", 3, (RULES,))],
        15,
    ),
    "another model is the step's own agent again": (
        {"on_invalid": (Remedy(ESCALATE, 1, **TO_RULES), Remedy(ESCALATE, 1, **TO_LARGE))},
        [("first", 1, (SMALL,)), ("escalate", 1, (RULES,)), ("escalate", 1, (LARGE,))],
        9,
    ),
    "on_error escalates once, at any time": (
        {"on_invalid": (Remedy(REVISE),), "on_error": (ErrorRule(RuleKind.ESCALATE, **TO_LARGE),)},
        [("first", 1, (SMALL,)), ("revise", 1, (SMALL, LARGE)), ("escalate", 1, (LARGE,))],
        9,
    ),
}


@pytest.mark.parametrize(("changes", "rungs", "work"), CASES.values(), ids=CASES)
def test_the_ladder_of_a_policy(changes, rungs, work):
    ladder = ladder_of(step(**changes))
    assert [(rung.why, rung.rounds, rung.targets) for rung in ladder.rungs] == rungs
    assert ladder.work == work


def test_validators_that_are_workers_are_attempts_of_their_own():
    judged = step(
        validators=(
            ValidatorSpec(name="short", expr="true"),
            ValidatorSpec(name="links", worker="review.links", pool="web"),
            ValidatorSpec(name="tone", worker="review.tone"),
        ),
        on_invalid=(Remedy(REVISE), Remedy(ESCALATE, 1, **TO_RULES)),
        retry=RetryPolicy(max_attempts=2),
    )
    ladder = ladder_of(judged)
    assert (ladder.work, ladder.verdicts) == (6, 12)
    assert attempts_by_pool(judged) == {"agents": 4, "rules": 2, "web": 6, "validators": 6}


@pytest.mark.parametrize(
    ("retry", "seconds"),
    [
        (RetryPolicy(max_attempts=1), 0.0),
        (RetryPolicy(max_attempts=4, backoff=Backoff(initial=1, factor=2, max=30)), 7.0),
        (RetryPolicy(max_attempts=4, backoff=Backoff(initial=1, factor=10, max=30)), 41.0),
    ],
)
def test_the_waits_between_attempts(retry, seconds):
    assert waits_of(retry) == seconds


UNCLAIMED = {
    "a person after revisions": (
        {"on_invalid": (Remedy(REVISE), Remedy(ESCALATE, 2, **TO_PERSON))},
        [("first", (SMALL,)), ("revise", (SMALL,)), ("escalate", (PERSON,))],
        (6, 0, 2),
        {"agents": 6},
    ),
    "a worker after a person has its own pool": (
        {"on_invalid": (Remedy(ESCALATE, 1, **TO_PERSON), Remedy(ESCALATE, 1, **TO_RULES))},
        [("first", (SMALL,)), ("escalate", (PERSON,)), ("escalate", (RULES,))],
        (6, 0, 1),
        {"agents": 3, "rules": 3},
    ),
    "a person after an error": (
        {"on_invalid": (Remedy(REVISE),), "on_error": (ErrorRule(RuleKind.ESCALATE, **TO_PERSON),)},
        [("first", (SMALL,)), ("revise", (SMALL, PERSON)), ("escalate", (PERSON,))],
        (6, 0, 2),
        {"agents": 6},
    ),
    "a question that is asked again": (
        QUESTION | {"on_invalid": (Remedy(REVISE, 2),)},
        [("first", (PERSON,)), ("revise", (PERSON,))],
        (0, 0, 3),
        {},
    ),
    "a child run that is begun again": (
        CHILD_RUN | {"on_invalid": (Remedy(REVISE),)},
        [("first", (Target(RUN_WORKER, ""),)), ("revise", (Target(RUN_WORKER, ""),))],
        (0, 2, 0),
        {},
    ),
    "a worker after a child run": (
        CHILD_RUN | {"on_error": (ErrorRule(RuleKind.ESCALATE, **TO_RULES),)},
        [("first", (Target(RUN_WORKER, ""),)), ("escalate", (RULES,))],
        (3, 1, 0),
        {"rules": 3},
    ),
}


@pytest.mark.parametrize(("changes", "rungs", "counts", "pools"), UNCLAIMED.values(), ids=UNCLAIMED)
def test_people_and_child_runs_wait_in_no_pool(changes, rungs, counts, pools):
    ladder = ladder_of(step(**changes))
    assert [(rung.why, rung.targets) for rung in ladder.rungs] == rungs
    assert (ladder.work, ladder.runs, ladder.asks) == counts
    assert attempts_by_pool(step(**changes)) == pools


def test_a_person_is_asked_once_a_round():
    ladder = ladder_of(step(on_invalid=(Remedy(ESCALATE, 1, **TO_PERSON),)))
    assert [ladder.tries_on(rung) for rung in ladder.rungs] == [3, 1]


POLICIES = st.fixed_dictionaries(
    {
        "on_invalid": st.lists(
            st.builds(
                Remedy, st.sampled_from([REVISE, ESCALATE, RemedyKind.CONTINUE, RemedyKind.FAIL]), st.integers(1, 2)
            ),
            max_size=3,
        ).map(tuple),
        "on_error": st.lists(
            st.builds(ErrorRule, st.sampled_from([RuleKind.ESCALATE, RuleKind.FAIL]), output=st.none()), max_size=2
        ).map(tuple),
        "retry": st.builds(RetryPolicy, st.integers(1, 3)),
    }
)


@settings(max_examples=60, deadline=None)
@given(POLICIES)
def test_the_worst_that_can_happen_is_what_the_ladder_says(changes):
    spec = step(**changes)

    def choose(error, used):
        for place, rule in enumerate(spec.on_error):
            if rule.kind is RuleKind.ESCALATE and place not in used:
                return place, rule
        return None

    def failed(item, error_class):
        return on_failure(item, ErrorInfo("x", error_class, "x"), spec.retry, spec.on_invalid, choose)

    @cache
    def most(tries, remedy, remedy_used, rules_used):
        item = ItemState("write", tries=tries, remedy=remedy, remedy_used=remedy_used, rules_used=rules_used)
        sent = on_sent(item, ATTEMPT)
        ends = [failed(sent, "timeout"), failed(sent, "error"), failed(sent, "invalid_output")]
        ends.append(on_output(sent, OUTPUT, [WRONG], [], spec.on_invalid))
        again = [end for end in ends if end.phase is Phase.READY]
        return 1 + max((most(e.tries, e.remedy, e.remedy_used, e.rules_used) for e in again), default=0)

    assert most(0, 0, 0, ()) == ladder_of(spec).work
