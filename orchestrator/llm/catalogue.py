"""Which model stands behind a tier, where its server is, which key it takes, and why."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.errors import ModelUnavailable, NotFound
from orchestrator.settings import ModelSettings, Settings

OPENAI_URL = "https://api.openai.com/v1"
LOCAL_MAX_TOKENS = 700
"""The local model does not stop by itself: inside a schema it fills every string and list that is not bounded."""

NO_KEY = "no-key"
"""Sent to servers of one's own, which ask for none: the client insists on some key."""


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A tier as it will be used.

    Attributes:
        provider: `openai` (any server that speaks its protocol) or `local`.
        base_url: the server's, None for the local model, which gets one when it is started.
        why: why it is this one, for people.
    """

    tier: str
    provider: str
    model: str
    base_url: str | None
    why: str


def resolve(tier: str, models: Mapping[str, ModelSettings]) -> ResolvedModel:
    """The model behind a tier.

    Args:
        tier: a name of `configs/models.yaml`.
        models: the project's tiers.

    Raises:
        NotFound: there is no such tier.
    """
    settings = find(tier, models)
    local = settings.provider == "local"
    why = settings.reason or ("no key: the local model" if local else "configs/models.yaml says so")
    return ResolvedModel(
        tier, settings.provider, settings.model, None if local else settings.base_url or OPENAI_URL, why
    )


def resolve_tiers(settings: Settings) -> list[ResolvedModel]:
    """All tiers of a project, in their order."""
    return [resolve(tier, settings.models) for tier in settings.models]


def find(tier: str, models: Mapping[str, ModelSettings]) -> ModelSettings:
    """A tier's settings.

    Raises:
        NotFound: there is no such tier.
    """
    if tier in models:
        return models[tier]
    near = difflib.get_close_matches(tier, models, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(models) or 'none'}"
    raise NotFound(f"no model tier is called {tier!r} ({known})", remedy="tiers stand in configs/models.yaml")


def api_key(tier: str, settings: ModelSettings, environ: Mapping[str, str]) -> str:
    """The key for a tier's server.

    Args:
        tier: for the message.
        settings: of the tier, not a local one.
        environ: where `api_key_env` is looked up.

    Raises:
        ModelUnavailable: there is no key and the server is OpenAI's own.
    """
    key = environ.get(settings.api_key_env, "")
    if key:
        return key
    if settings.base_url and settings.base_url.rstrip("/") != OPENAI_URL:
        return NO_KEY
    raise ModelUnavailable(
        f"the model tier {tier!r} ({settings.model}) needs a key, and {settings.api_key_env} is not set",
        remedy=f"set {settings.api_key_env}, or OPENAI_BASE_URL for a server of your own, "
        "or `provider: local` for the tier in configs/models.yaml",
    )


def is_loopback(url: str | None) -> bool:
    """Whether a server is on this machine, where no proxy must stand between."""
    return urlsplit(url or "").hostname in {"127.0.0.1", "localhost", "::1"}
