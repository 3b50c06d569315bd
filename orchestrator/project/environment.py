"""`ORCHESTRATOR_…` names of the environment as settings: `ORCHESTRATOR_WORKER_CONCURRENCY` is `worker.concurrency`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import get_origin

from pydantic import BaseModel

from orchestrator.project.sources import Values
from orchestrator.project.tiers import TierEntry
from orchestrator.settings import Settings
from orchestrator.workflow.suggestions import suggest

PREFIX = "ORCHESTRATOR_"
MODELS = "models"
NOT_SETTINGS = ("ORCHESTRATOR_DEBUG",)
"""Names that other parts of the package read."""

_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""What Kubernetes sets in every container for a service that is called `orchestrator…`."""


def setting_names() -> dict[str, tuple[str, ...]]:
    """Every setting that the environment can give, by its lower-case name without the prefix."""
    names: dict[str, tuple[str, ...]] = {}
    for section, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names |= {"_".join(key): key for key in _keys(info.annotation, (section,))}
    return names | {"tenant": ("tenant",)}


def _keys(model: type[BaseModel], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The keys of a section and of the sections in it; a mapping by names of the user's stands in the file alone."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _keys(info.annotation, (*above, name))
        elif get_origin(info.annotation) is not dict:
            yield (*above, name)


def read_environment(environ: Mapping[str, str], values: Values, tiers: Values, problems: list[str]) -> None:
    """Put what the environment says over the files' values.

    Args:
        environ: names that do not begin with `ORCHESTRATOR_` are left alone.
        values: the config's.
        tiers: of `models.yaml`: `ORCHESTRATOR_MODELS_SMALL_MODEL` is the key `model` of the tier `small`.
        problems: gets one line for each name that means nothing.
    """
    settings = setting_names()
    models = {
        f"{MODELS}_{tier}_{key}".lower().replace("-", "_"): (tier, key)
        for tier in tiers.tree
        for key in TierEntry.model_fields
        if key != "reason"
    }
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or _SERVICE_LINK.fullmatch(name):
            continue
        short = name.removeprefix(PREFIX).lower()
        if short in settings:
            values.put(settings[short], environ[name], f"${name}")
        elif short in models:
            tiers.put(models[short], _parsed(models[short][1], environ[name]), f"${name}")
        else:
            hint = suggest(short, [*settings, *models])
            problems.append(f"${name} is no setting" + (f" ({_shout(hint)})" if hint else ""))


def _parsed(key: str, text: str) -> object:
    """The one setting that is a mapping is written as JSON."""
    if key != "extra":
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # validation says that it is no mapping


def _shout(hint: str) -> str:
    return re.sub(r"'(\w+)'", lambda found: f"'{PREFIX}{found[1].upper()}'", hint)
