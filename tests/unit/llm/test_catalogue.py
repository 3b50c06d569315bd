"""Which model a tier is, where, by which key, and why."""

from pathlib import Path

import pytest

from orchestrator.errors import ModelUnavailable, NotFound
from orchestrator.llm.catalogue import NO_KEY, OPENAI_URL, api_key, is_loopback, resolve_tiers
from orchestrator.llm.catalogue import resolve as resolve_one
from orchestrator.settings import ModelSettings, Settings

TIERS = {
    "small": ModelSettings(provider="local", model="smollm2-135m-instruct", reason="no key: the local model"),
    "large": ModelSettings(model="gpt-4.1", reason="OPENAI_API_KEY is set"),
    "house": ModelSettings(model="m", base_url="http://models.test/v1"),
}


def test_tiers_are_resolved_in_order_with_the_reason():
    resolved = resolve_tiers(Settings(root=Path(), models=TIERS))
    assert [(each.tier, each.base_url, each.why) for each in resolved] == [
        ("small", None, "no key: the local model"),
        ("large", OPENAI_URL, "OPENAI_API_KEY is set"),
        ("house", "http://models.test/v1", "configs/models.yaml says so"),
    ]


def test_an_unknown_tier_gets_the_nearest_name():
    with pytest.raises(NotFound, match="did you mean 'large'"):
        resolve_one("larg", TIERS)


def test_keys():
    assert api_key("large", TIERS["large"], {"OPENAI_API_KEY": "k"}) == "k"
    assert api_key("house", TIERS["house"], {}) == NO_KEY
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY is not set"):
        api_key("large", TIERS["large"], {})


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://127.0.0.1:8/v1", True), ("http://localhost/v1", True), ("http://[::1]:1/", True), (OPENAI_URL, False)],
)
def test_loopback(url, here):
    assert is_loopback(url) is here
