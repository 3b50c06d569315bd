"""Prices: the settings' own, the list's, none; and caps."""

import pytest
from langchain_core.messages import HumanMessage

from orchestrator.llm.prices import PriceCapExceeded, TokenCounts, bounded_tokens, cost, prompt_tokens
from orchestrator.settings import ModelSettings

COUNTS = TokenCounts(1_000, 500)
OWN = ModelSettings(model="house", base_url="http://models.test/v1", input_price=2.0, output_price=10.0)
LISTED = ModelSettings(model="gpt-4o-mini")
UNKNOWN = ModelSettings(model="house", base_url="http://models.test/v1")
LOCAL = ModelSettings(provider="local", model="smollm2-135m-instruct")
PROMPT = [HumanMessage("x" * 2_976)]  # 1,000 tokens: 992 by its size, 8 for the message


def test_the_settings_own_price_comes_first():
    assert cost(OWN, "gpt-4o-mini", COUNTS) == pytest.approx(0.002 + 0.005)


def test_listed_prices_need_no_network():
    assert cost(LISTED, "gpt-4o-mini-2024-07-18", COUNTS) == pytest.approx(0.00015 + 0.0003)


def test_an_answer_by_an_unlisted_name_costs_what_the_tiers_model_costs():
    assert cost(LISTED, "proxy/some-name", COUNTS) == cost(LISTED, "gpt-4o-mini", COUNTS)


def test_cached_tokens_are_cheaper():
    assert cost(LISTED, "gpt-4o-mini", TokenCounts(1_000, 500, cached=1_000)) < cost(LISTED, "gpt-4o-mini", COUNTS)


def test_no_known_price_is_none_and_the_local_model_is_free():
    assert cost(UNKNOWN, "house", COUNTS) is None
    assert cost(LOCAL, "smollm2-135m-instruct", COUNTS) == 0.0


def test_the_guess_at_a_prompt_is_an_upper_one():
    assert prompt_tokens(PROMPT) == 1_000
    assert prompt_tokens([HumanMessage("日本語")]) >= 3


@pytest.mark.parametrize(
    ("max_tokens", "cap", "bound"),
    [
        (100, 0.003, 100),  # exactly: 1,000 x 2 + 100 x 10 = 3,000 millionths
        (None, 0.003, 100),  # the cap decides
        (None, 5.0, 8_192),
    ],
)
def test_within_the_cap(max_tokens, cap, bound):
    assert bounded_tokens(OWN, PROMPT, max_tokens, cap) == bound


@pytest.mark.parametrize(("max_tokens", "cap"), [(101, 0.003), (None, 0.002), (None, 0.0019), (1, 0.0)])
def test_beyond_the_cap(max_tokens, cap):
    with pytest.raises(PriceCapExceeded, match=r"more than its cap of 0\.00") as caught:
        bounded_tokens(OWN, PROMPT, max_tokens, cap)
    assert caught.value.code == "price_cap"
    assert caught.value.error_class == "error"


def test_a_cap_that_cannot_be_kept_is_refused():
    with pytest.raises(PriceCapExceeded, match="no price is known for house"):
        bounded_tokens(UNKNOWN, PROMPT, 10, 1.0)


def test_a_free_model_is_under_any_cap():
    assert bounded_tokens(LOCAL, PROMPT, 700, 0.0) == 700
