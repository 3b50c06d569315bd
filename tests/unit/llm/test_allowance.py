"""An attempt's allowance: calls side by side hold what they may use, and none goes beyond what is left."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from orchestrator.domain.outcome import Usage
from orchestrator.llm.allowance import Allowance, AllowanceExceeded
from orchestrator.llm.prices import prompt_tokens
from orchestrator.llm.tariffs import Tariff, Tariffs
from orchestrator.settings import ModelSettings

PRICED = ModelSettings(model="m", input_price=1.0, output_price=100.0)
TWO = [SystemMessage("a" * 100), HumanMessage("b" * 101)]


def test_calls_side_by_side_hold_what_they_may_use_and_give_back_the_rest():
    allowance = Allowance(usd=0.025)
    answer, first = allowance.open(PRICED, 100, 100)
    assert answer == 100
    _, second = allowance.open(PRICED, 100, 100)
    with pytest.raises(AllowanceExceeded, match=r"used up after 2 calls \(0.020200 of 0.025000 USD\)"):
        allowance.open(PRICED, 100, 100)
    allowance.close(first, Usage(100, 10, 0.0011))
    assert allowance.open(PRICED, 100, 100)[0] == 100
    allowance.close(second, Usage(100, 300, 0.0301))
    with pytest.raises(AllowanceExceeded):
        allowance.open(PRICED, 1, 1)


def test_an_answer_without_a_limit_gets_what_is_left():
    assert Allowance(usd=0.01).open(PRICED, 1000, None)[0] == 90
    assert Allowance(tokens=150).open(PRICED, 100, None)[0] == 50
    assert Allowance(usd=100.0).open(PRICED, 100, None)[0] == 8_192
    assert Allowance(usd=0.0).open(ModelSettings(provider="local", model="m"), 100, 700)[0] == 700


def test_tokens_are_kept_without_a_price_and_usd_are_not():
    unknown = ModelSettings(model="nobody-sells-this")
    assert Allowance(tokens=500).open(unknown, 100, 100)[0] == 100
    with pytest.raises(AllowanceExceeded, match="may use 200 tokens"):
        Allowance(tokens=199).open(unknown, 100, 100)
    with pytest.raises(AllowanceExceeded, match="no price is known"):
        Allowance(usd=1.0).open(unknown, 100, 100)


def test_options_without_an_allowance_set_no_limit():
    assert Allowance.of({}) is None
    assert Allowance.of({"allowance": {"usd": None, "tokens": None}}).open(PRICED, 10**9, 10)[0] == 10


@pytest.mark.parametrize("besides", [0, 1, 1000])
def test_what_is_set_aside_for_a_call_is_never_less_than_the_client_asks_for(besides: int):
    tariff = Tariff("t", ModelSettings(model="m", input_price=1.0, output_price=100.0, max_tokens=50))
    bound = tariff.bound(201 + besides, 2)
    assert bound is not None
    prompt = prompt_tokens(TWO, besides=besides)
    assert Allowance(bound.usd, bound.tokens).open(tariff.settings, prompt, 50)[0] == 50


def test_the_first_tier_is_the_default():
    tariffs = Tariffs({"a": PRICED, "b": ModelSettings(provider="local", model="m")})
    assert (tariffs.of(None).tier, tariffs.of("b").max_tokens, tariffs.of("c")) == ("a", 700, None)
