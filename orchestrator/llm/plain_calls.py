"""Calls of chat models that are not ours: what they used, as far as LangChain tells; and how ours are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.domain.outcome import Usage
from orchestrator.llm.prices import TokenCounts, cost
from orchestrator.settings import ModelSettings

TRACED: Final = "orchestrator_traced"
"""In the metadata of a client whose calls are traced and counted already."""


def usage_of(model: str, told: Mapping[str, Any] | None) -> Usage:
    """What one call used.

    Args:
        model: what answered.
        told: LangChain's `usage_metadata` of the answer; None where the client does not tell.
    """
    if not told:
        return Usage(model_calls=1)
    cached = (told.get("input_token_details") or {}).get("cache_read") or 0
    counts = TokenCounts(int(told.get("input_tokens") or 0), int(told.get("output_tokens") or 0), int(cached))
    return Usage(counts.input, counts.output, cost(ModelSettings(model=model), model, counts), model_calls=1)
