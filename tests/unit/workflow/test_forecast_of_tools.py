"""The dry run of agents with tools: every turn counts, and what tools give has no known size."""

import pytest

from orchestrator.workflow.figures import Figure, ModelFacts
from tests.unit.workflow.test_forecast import CAP, MILLIONTH, ONE_TRY, agent

TOOLS = ONE_TRY + ", tools: [t.quick, t.add], max_turns: 5"
SIZES = {"t.quick": 300, "t.add": 30}


def test_what_the_model_is_told_of_its_tools_is_part_of_its_prompt():
    step = agent(more=TOOLS, tools=SIZES, bytes_per_token=3, tokens_per_message=8)
    assert step.prompt.value == 8 + 113  # 9 and 330 bytes, three to a token


def test_two_turns_are_expected_at_least():
    step = agent(more=TOOLS, bytes_per_token=3, tokens_per_message=8)
    assert step.expected_cost == Figure(
        pytest.approx((11 + 200) * MILLIONTH + (11 + 100 + 200) * MILLIONTH),
        "two turns of small, ~11 → 100 tokens at least, test prices",
    )


def test_without_a_cap_there_is_no_worst_case():
    why = "no limit: the model reads what its tools give, and there is no price_cap_usd"
    assert agent(more=TOOLS).worst_cost == Figure(None, why)


def test_at_worst_every_turn_of_every_attempt_costs_its_cap():
    step = agent("capped", more=TOOLS + ", on_invalid: [{do: revise}]", head=CAP)
    assert step.worst_cost.value == pytest.approx(2 * 5 * 0.03)
    assert step.worst_cost.source == "2 attempts, 5 turns each at most"


def test_turns_are_eight_where_nothing_is_said():
    assert agent("capped", more=ONE_TRY + ", tools: [t.add]", head=CAP).worst_cost.value == pytest.approx(8 * 0.03)


def test_only_the_attempt_s_timeout_bounds_its_time():
    assert agent(more=TOOLS).worst_seconds == Figure(None, "an agent with tools has no timeout but timeout.attempt")
    assert agent(more=TOOLS + ", timeout: 30s").worst_seconds.value == 30


def test_a_model_that_cannot_call_tools_is_a_trouble():
    models = {"small": ModelFacts("tiny", 0.0, 0.0, "free", calls_tools=False)}
    assert agent(more=TOOLS, models=models).troubles == ("the tier small is the local model, which cannot call tools",)
    assert agent(more=ONE_TRY, models=models).troubles == ()
