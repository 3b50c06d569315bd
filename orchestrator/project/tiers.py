"""Tiers of `models.yaml`, and which model stands behind `provider: auto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from orchestrator.settings import ModelSettings

LOCAL_MODEL = "smollm2-135m-instruct"
"""The model that this package starts by itself; see `orchestrator models list`."""

DEFAULT_TIERS: dict[str, dict[str, Any]] = {
    "small": {"provider": "auto", "model": "gpt-4.1-mini"},
    "large": {"provider": "auto", "model": "gpt-4.1"},
}
"""The tiers of a project without a `models.yaml`."""


class TierEntry(ModelSettings):
    """One tier as `models.yaml` writes it.

    Attributes:
        provider: `auto` is `openai` when `OPENAI_API_KEY` or `OPENAI_BASE_URL` is set, else `local`.
        model: asked for at the server; without one, only `local` works.
        local_model: used by `local`.
    """

    provider: Literal["auto", "openai", "local"] = "auto"  # type: ignore[assignment]
    model: str = ""
    local_model: str = LOCAL_MODEL

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.model and self.provider != "local":
            raise ValueError("`model` is missing: the name that the server knows the model by")
        return self


def choose(entry: TierEntry, environ: Mapping[str, str]) -> ModelSettings:
    """The tier as it will be used.

    Args:
        entry: as `models.yaml` has it.
        environ: `OPENAI_API_KEY` (or what `api_key_env` names) and `OPENAI_BASE_URL` are looked up.
    """
    provider, reason = _provider(entry, environ)
    # What is not written stays unset, so that the local model may have its own defaults.
    rest = entry.model_dump(exclude={"provider", "model", "local_model", "reason", "base_url"}, exclude_unset=True)
    if provider == "local":
        prices = {"input_price": 0.0, "output_price": 0.0}
        return ModelSettings(provider="local", model=entry.local_model, reason=reason, **(rest | prices))
    base_url = entry.base_url or environ.get("OPENAI_BASE_URL") or None
    return ModelSettings(provider="openai", model=entry.model, base_url=base_url, reason=reason, **rest)


def _provider(entry: TierEntry, environ: Mapping[str, str]) -> tuple[Literal["openai", "local"], str]:
    if entry.provider != "auto":
        return entry.provider, f"models.yaml says provider: {entry.provider}"
    if entry.base_url:
        return "openai", "models.yaml gives a base_url"
    for name in dict.fromkeys((entry.api_key_env, "OPENAI_BASE_URL")):
        if environ.get(name):
            return "openai", f"{name} is set"
    return "local", f"neither {entry.api_key_env} nor OPENAI_BASE_URL is set"
