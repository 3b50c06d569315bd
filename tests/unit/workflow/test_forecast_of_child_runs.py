"""The dry run of `kind: workflow` and of `repeat`: what is below rolls up into the step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.domain.budget import Budget
from orchestrator.domain.policy import Remedy, RemedyKind, RetryPolicy, Timeouts
from orchestrator.domain.worker import AGENT_WORKER, RUN_WORKER
from orchestrator.workflow.figures import Figure, Total
from orchestrator.workflow.model import ForeachSpec, RepeatSpec, ValidatorSpec
from tests.unit.workflow.forecasts import (
    CALL,
    FACTS,
    ONCE,
    agent,
    calling,
    flow,
    human,
    past,
    planned,
    step_of,
    worker,
)

TWICE = RetryPolicy(max_attempts=2, errors=("timeout",))
REPEAT = RepeatSpec(until="output.done", max=3)
ITEMS = ForeachSpec(items="${{ inputs.names }}", as_="n", max_parallel=1)
CHILD = flow(
    agent("write", validators=(ValidatorSpec(name="look", worker="t.quick", timeout=5.0),)),
    worker("send", needs={"write": ("succeeded",)}),
    name="child",
)
"""Costs one call; takes at most 60 s and 5 s for the agent, 1 s for the worker."""


def parent(callee=CHILD, **changes):
    return flow(calling("review", callee, **changes), callees=(callee,), inputs={"names": {"default": ["a", "b"]}})


def test_the_figures_of_a_child_run_are_those_of_its_step() -> None:
    found = planned(parent())
    (step,) = found.steps
    assert step.child is not None and step.child.workflow is CHILD
    assert step.attempts == Figure(2, "retries, revisions, escalations, child runs")
    assert step.verdicts.value == 1
    assert step.child_runs is not None and step.child_runs.value == 1
    assert step.expected_cost == Figure(pytest.approx(CALL), "the steps of child")
    assert step.worst_cost == Figure(pytest.approx(CALL), "the steps of child, 1 child run at most")
    assert step.worst_seconds == Figure(66.0, "the steps of child, 1 child run")
    assert (found.attempts, found.worst_cost) == (Total(3), Total(pytest.approx(CALL)))
    assert [(pool.pool, pool.steps, pool.attempts.value) for pool in found.pools] == [
        ("agents", ("review/write",), 1),
        ("quick", ("review/send",), 1),
        ("validators", ("review/write",), 1),
    ]


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({}, 1),
        ({"retry": TWICE}, 1),  # a child run has its own retries inside, and is not tried again
        ({"on_invalid": (Remedy(RemedyKind.REVISE, 2),)}, 3),
        ({"repeat": REPEAT}, 3),
        ({"repeat": REPEAT, "retry": TWICE}, 3),
        ({"foreach": ITEMS}, 2),
        ({"foreach": ITEMS, "retry": TWICE}, 2),
    ],
)
def test_every_child_run_counts(changes, runs) -> None:
    found = planned(parent(**changes))
    (step,) = found.steps
    assert step.child_runs is not None
    assert (step.child_runs.value, step.attempts.value, step.verdicts.value) == (runs, 2 * runs, runs)
    assert step.worst_cost.value == pytest.approx(runs * CALL)
    assert step.worst_seconds.value is not None and step.worst_seconds.value >= runs * 66
    assert found.attempts.value == 3 * runs
    assert sum(pool.attempts.value or 0 for pool in found.pools) == 3 * runs


def test_items_that_only_a_child_run_knows_are_n_above_it() -> None:
    each = agent(
        "each", foreach=ForeachSpec(items="${{ steps.first.output }}", as_="n"), needs={"first": ("succeeded",)}
    )
    child = flow(worker("first"), each, name="child")
    found = planned(parent(child, repeat=REPEAT))
    (step,) = found.steps
    assert (step.attempts.value, step.attempts.more) == (3, (("each", 3),))
    assert found.attempts == Total(3, each=(("review/each", 3),))
    assert found.worst_cost == Total(0, each=(("review/each", pytest.approx(3 * CALL)),))
    agents, quick = found.pools
    assert (agents.steps, agents.attempts) == (("review/each",), Total(0, each=(("review/each", 3),)))
    assert quick.attempts == Total(3)
    assert step.worst_seconds == Figure(None, "each: the number of its items is not known")


def test_child_runs_of_items_that_are_not_known_are_counted_for_each() -> None:
    found = planned(parent(foreach=ITEMS.model_copy(update={"items": "${{ steps.x.output }}"})))
    assert found.attempts == Total(0, each=(("review", 3),))
    assert all(pool.attempts.each == (("review", 1),) for pool in found.pools)


def test_runs_below_child_runs_roll_up_too() -> None:
    middle = flow(calling("inner", CHILD), worker("own"), name="middle", callees=(CHILD,))
    found = planned(parent(middle, repeat=REPEAT))
    assert found.attempts == Total(3 * (3 + 1))
    assert found.worst_cost == Total(pytest.approx(3 * CALL))
    assert ("review/inner/write",) in [pool.steps for pool in found.pools]


def test_a_callee_that_many_steps_use_is_worked_out_once() -> None:
    callee = CHILD
    for depth in range(8):
        steps = [calling(f"s{place}", callee) for place in range(6)]
        callee = flow(*steps, name=f"level{depth}", callees=(callee,))
    assert planned(callee).attempts == Total(3 * 6**8)


BOUND = "budget.usd of 0.000105, 1 child run at most"


@pytest.mark.parametrize(
    ("own", "callees", "worst"),
    [
        (Budget(usd=CALL / 2), None, Figure(pytest.approx(CALL / 2), BOUND)),
        (None, Budget(usd=CALL / 2), Figure(pytest.approx(CALL / 2), BOUND)),
        (
            Budget(usd=1.0),
            Budget(usd=CALL / 2),
            Figure(pytest.approx(CALL / 2), BOUND),
        ),
        (Budget(usd=1.0), None, Figure(pytest.approx(CALL), "the steps of child, 1 child run at most")),
        (Budget(tokens=5), None, Figure(pytest.approx(CALL), "the steps of child, 1 child run at most")),
    ],
)  # fmt: skip
def test_the_tightest_budget_bounds_what_a_child_run_costs(own, callees, worst) -> None:
    (step,) = planned(parent(CHILD.model_copy(update={"budget": callees}), budget=own)).steps
    assert step.worst_cost == worst


def test_a_budget_bounds_what_has_no_limit_else() -> None:
    child = flow(agent("write", prompt="${{ inputs.text }}"), name="child", inputs={"text": {"type": "string"}})
    (free,) = planned(parent(child, with_={"text": "${{ steps.x.output }}"})).steps
    assert free.worst_cost.value is None
    assert free.worst_cost.source.startswith("write: no limit")
    (bound,) = planned(
        parent(child, with_={"text": "${{ steps.x.output }}"}, budget=Budget(usd=0.8), repeat=REPEAT)
    ).steps
    assert bound.worst_cost == Figure(pytest.approx(2.4), "budget.usd of 0.8, 1 child run, 3 iterations at most")


@pytest.mark.parametrize(
    ("steps", "seconds", "source"),
    [
        ((worker("a", worker="t.slow"),), 5.0, "budget.wall of 5 s, 1 child run"),
        ((worker("a", worker="t.endless"),), 5.0, "budget.wall of 5 s, 1 child run"),
        ((worker("a"),), 1.0, "the steps of child, 1 child run"),
        ((human("a"),), None, "a: waits for a person"),
    ],
)
def test_a_wall_budget_bounds_the_time_unless_people_are_asked(steps, seconds, source) -> None:
    (step,) = planned(parent(flow(*steps, name="child"), budget=Budget(wall=5.0))).steps
    assert (step.worst_seconds.value, step.worst_seconds.source) == (seconds, source)


INPUTS = {"text": {"type": "string"}, "deep": {"type": "boolean", "default": False}}


@pytest.mark.parametrize(
    ("changes", "inputs"),
    [
        ({"with_": {"text": "${{ inputs.names[0] }}"}}, {"text": "a", "deep": False}),
        ({"with_": {"text": "${{ steps.x.output }}", "deep": True}}, {"deep": True}),
        ({"with_": {"text": "x", "deep": "${{ steps.x.output }}"}}, {"text": "x"}),
        ({"with_": {"text": "${{ n }}"}, "foreach": ITEMS}, {"deep": False}),
        ({"with_": {"text": "x"}, "repeat": REPEAT}, {"text": "x", "deep": False}),
        (
            {"with_": {"text": "x"}, "repeat": REPEAT.model_copy(update={"with_": {"text": "${{ previous.output }}"}})},
            {"deep": False},
        ),
        (
            {"with_": {"text": "x"}, "repeat": REPEAT.model_copy(update={"with_": {"deep": True}})},
            {"text": "x"},
        ),
    ],
)
def test_a_child_run_gets_the_inputs_that_are_known_of_all_of_them(changes, inputs) -> None:
    child = flow(worker("a"), worker("b", when="inputs.deep"), name="child", inputs=INPUTS)
    (step,) = planned(parent(child, **changes)).steps
    assert step.child is not None
    assert step.child.inputs == inputs
    assert bool(step_of(step.child, "b").skipped) is (inputs.get("deep") is False)
    assert step.troubles == ()


def test_inputs_that_a_callee_refuses_are_told() -> None:
    child = flow(worker("a"), name="child", inputs=INPUTS)
    (step,) = planned(parent(child, with_={"text": "${{ size(inputs.names) }}"})).steps
    assert len(step.troubles) == 1
    assert "the inputs do not fit workflow 'child': input 'text'" in step.troubles[0]


def test_a_callee_that_is_not_at_hand_is_no_figure() -> None:
    (step,) = planned(parent().model_copy(update={"callees": ()})).steps
    assert step.child is None
    assert step.attempts == Figure(None, "the definition of child is not at hand")
    assert (step.worst_cost.value, step.worst_seconds.value) == (None, None)


def test_past_runs_tell_of_child_runs_and_of_the_steps_below() -> None:
    below = replace(FACTS, callees={"child": {"send": past("send", "t.quick", seconds=3.0, cost_usd=0.5)}})
    (step,) = planned(parent(), facts=below).steps
    assert step.child is not None
    assert step_of(step.child, "send").expected_seconds == Figure(3.0, "median of 4 past runs")
    assert step.expected_cost.value == pytest.approx(0.5 + CALL)
    own = replace(below, history={"review": past("review", RUN_WORKER, seconds=9.0, cost_usd=0.25)})
    (step,) = planned(parent(repeat=REPEAT), facts=own).steps
    assert step.expected_cost == Figure(0.25, "mean of 4 past runs")
    assert step.expected_seconds == Figure(9.0, "median of 4 past runs")


def test_a_repeat_is_expected_to_be_done_after_one_iteration() -> None:
    (step,) = planned(flow(agent("write", repeat=REPEAT))).steps
    assert step.attempts == Figure(3, "retries, revisions, escalations, iterations")
    assert step.expected_cost.value == pytest.approx(CALL)
    assert step.expected_cost.source.endswith(", one iteration of 3 at most")
    assert step.worst_cost == Figure(pytest.approx(3 * CALL), "1 attempt, 3 iterations at most")
    assert step.worst_seconds == Figure(180.0, "the model's timeout, 1 attempt, 3 iterations")


def test_past_runs_of_a_repeat_have_all_its_iterations() -> None:
    history = {"write": past("write", AGENT_WORKER, seconds=7.0, input_tokens=100.0, output_tokens=50.0)}
    (step,) = planned(flow(agent("write", repeat=REPEAT)), facts=replace(FACTS, history=history)).steps
    assert step.expected_cost.source == "tokens of 4 past runs at today's prices"
    assert step.expected_seconds.value == 7.0


def test_a_prompt_that_changes_with_each_iteration_has_no_known_limit() -> None:
    repeat = REPEAT.model_copy(update={"with_": {"text": "${{ previous.output }}"}})
    (step,) = planned(flow(agent("write", with_={"text": "x"}, prompt="${{ with.text }}", repeat=repeat))).steps
    assert step.worst_cost.source == "no limit: the prompt reads with.text, and there is no price_cap_usd"


def test_the_total_timeout_counts_over_all_iterations() -> None:
    (step,) = planned(flow(agent("write", repeat=REPEAT, timeout=Timeouts(total=100.0), retry=ONCE))).steps
    assert step.worst_seconds == Figure(100.0, "timeout.total")
