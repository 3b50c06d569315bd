"""What the dry run says of budgets: models without a price, and the budget of a step."""

from __future__ import annotations

import pytest

from orchestrator.cli.plan_texts import budget_notes, budget_text
from tests.unit.workflow.test_forecast import only, planned

AGENT = "  a: {{kind: agent, model: {model}, prompt: x{more}}}\n"


@pytest.mark.parametrize(
    ("model", "more", "head", "trouble"),
    [
        ("new", "", "budget: {usd: 1}", True),
        ("new", ", budget: {usd: 1}", "", True),
        ("new", "", "budget: {tokens: 1000}", False),
        ("new", "", "", False),
        ("small", "", "budget: {usd: 1}", False),
        ("free", "", "budget: {usd: 1}", False),
    ],
)
def test_a_model_without_a_price_is_trouble_under_a_budget_in_usd(model: str, more: str, head: str, trouble: bool):
    step = only(AGENT.format(model=model, more=more), head)
    said = ["no price is known for m-new: under a budget in USD it is not asked"] if trouble else []
    assert list(step.troubles) == said


def test_the_budget_of_a_step_bounds_its_worst_case():
    step = only(AGENT.format(model="open", more=", budget: {usd: 0.25}, retry: {max_attempts: 2}"))
    assert step.worst_cost.value == pytest.approx(0.5)


def test_what_happens_is_said_and_that_attempts_reserve():
    found = planned(AGENT.format(model="small", more=""), "budget: {usd: 1, on_exceed: downgrade}").budget
    assert found is not None
    assert budget_text(found).endswith("takes cheaper models where they fit, and pauses where none does")
    assert any("reserve" in note for note in budget_notes(found))
    timed = planned(AGENT.format(model="small", more=""), "budget: {wall: 1m}").budget
    assert timed is not None
    assert not any("reserve" in note for note in budget_notes(timed))
