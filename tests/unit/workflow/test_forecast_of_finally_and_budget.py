"""The dry run of `finally`, and of a run's budget."""

from __future__ import annotations

import pytest

from orchestrator.domain.budget import Budget, OnExceed
from orchestrator.workflow.budget_forecast import LimitForecast
from orchestrator.workflow.figures import Figure, Total
from tests.unit.workflow.forecasts import CALL, agent, calling, flow, human, planned, step_of, worker


def finals(*steps):
    return {"finally_": {step.id: step for step in steps}}


def test_finally_comes_after_the_others_and_counts() -> None:
    after = ("succeeded",)
    found = planned(
        flow(
            worker("a"),
            worker("b", worker="t.slow", needs={"a": after}),
            **finals(worker("tell"), agent("sum", needs={"tell": after}), worker("close")),
        )
    )
    assert [step.spec.id for step in found.steps] == ["a", "b"]
    assert [(step.spec.id, step.wave) for step in found.finally_] == [("tell", 3), ("sum", 4), ("close", 3)]
    assert found.waves == (("a",), ("b",), ("tell", "close"), ("sum",))
    assert (found.critical_path, any(step.critical for step in found.finally_)) == (("a", "b"), False)
    assert found.worst_seconds == Total(1 + 10 + 1 + 60)
    assert (found.attempts, found.worst_cost.value) == (Total(5), pytest.approx(CALL))
    assert [(pool.pool, pool.steps) for pool in found.pools] == [
        ("agents", ("sum",)),
        ("quick", ("a", "b", "tell", "close")),
    ]


def test_what_finally_reads_of_the_run_and_its_steps_is_not_known() -> None:
    found = planned(
        flow(
            worker("a"),
            **finals(
                worker("x", when='run.status == "failed"'),
                worker("y", when='steps.a.status == "succeeded"'),
                worker("z", when="false"),
            ),
        )
    )
    assert [(step.conditional, bool(step.skipped), step.troubles) for step in found.finally_] == [
        (True, False, ()),
        (True, False, ()),
        (False, True, ()),
    ]


def test_a_prompt_with_the_runs_status_has_a_size() -> None:
    found = planned(flow(worker("a"), **finals(agent("sum", prompt="it has ${{ run.status }}"))))
    assert step_of(found, "sum").prompt == Figure(8 + 6, "rendered with these inputs")


def test_finally_in_a_child_run_counts_as_well() -> None:
    child = flow(worker("a"), name="child", **finals(worker("tell")))
    found = planned(flow(calling("review", child), callees=(child,)))
    assert found.attempts == Total(2)
    assert found.worst_seconds == Total(2.0)


UNKNOWN = "${{ inputs.text }}"


@pytest.mark.parametrize(
    ("steps", "budget", "limits"),
    [
        ((agent("a"),), Budget(usd=1.0), [LimitForecast("usd", 1.0, expected=False, worst=False)]),
        ((agent("a"),), Budget(usd=CALL / 2), [LimitForecast("usd", CALL / 2, expected=True, worst=True)]),
        ((agent("a", prompt=UNKNOWN),), Budget(usd=1.0), [LimitForecast("usd", 1.0, expected=False, worst=None)]),
        ((worker("a"),), Budget(wall=2.0), [LimitForecast("wall", 2.0, expected=None, worst=False)]),
        ((worker("a"),), Budget(wall=0.5), [LimitForecast("wall", 0.5, expected=None, worst=True)]),
        ((human("a"),), Budget(wall=0.5), [LimitForecast("wall", 0.5, expected=None, worst=None)]),
        ((worker("a"),), Budget(tokens=5), [LimitForecast("tokens", 5, expected=None, worst=None)]),
    ],
)
def test_a_budget_is_held_against_the_totals(steps, budget, limits) -> None:
    workflow = flow(*steps, budget=budget, inputs={"text": {"type": "string"}})
    found = planned(workflow.model_copy(update={"inputs": {}}))
    assert found.budget is not None
    assert (found.budget.budget, list(found.budget.limits)) == (budget, limits)


def test_no_budget_is_none() -> None:
    assert planned(flow(worker("a"))).budget is None
    assert planned(flow(worker("a"), budget=Budget())).budget is None


def test_a_child_runs_budget_is_the_tightest() -> None:
    child = flow(agent("a"), name="child", budget=Budget(usd=1.0, wall=9.0))
    step = calling("review", child, budget=Budget(usd=2.0, tokens=7, on_exceed=OnExceed.FAIL))
    (found,) = planned(flow(step, callees=(child,))).steps
    assert found.child is not None and found.child.budget is not None
    assert found.child.budget.budget == Budget(1.0, 7, 9.0, OnExceed.FAIL)
