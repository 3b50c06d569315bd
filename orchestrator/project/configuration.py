"""Settings from the config file, `models.yaml` beside it and the environment; every mistake named with its place."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from orchestrator.errors import ProjectError
from orchestrator.project.environment import MODELS, read_environment
from orchestrator.project.location import Project
from orchestrator.project.sources import Values, explain, read_file
from orchestrator.project.tiers import DEFAULT_TIERS, TierEntry, choose
from orchestrator.settings import ModelSettings, Settings

NOT_IN_CONFIG = ("root", "worker_modules", "worker_packs", "graphs", "models")
"""Settings that the config file does not hold: pyproject.toml names the folders, models.yaml the tiers."""


def load_settings(project: Project, environ: Mapping[str, str]) -> Settings:
    """Everything that a process of the project is told. The environment wins over the files.

    Args:
        project: as `find_project` found it.
        environ: `ORCHESTRATOR_…` names (`ORCHESTRATOR_WORKER_CONCURRENCY`), `OTEL_EXPORTER_OTLP_ENDPOINT`,
            `OTEL_SERVICE_NAME`, `OPENAI_API_KEY`, `OPENAI_BASE_URL`.

    Raises:
        ProjectError: a file cannot be read, or keys or values are wrong; all are named with file and line.
    """
    config = project.root / project.config
    if project.config_named and not config.is_file():
        raise ProjectError(f"{project.root / 'pyproject.toml'} names the config {project.config}, which is no file")
    problems: list[str] = []
    values = read_file(config, problems)
    tiers = read_file(config.with_name("models.yaml"), problems)
    if not tiers.tree:
        tiers = Values({name: dict(entry) for name, entry in DEFAULT_TIERS.items()}, {})
    _open_telemetry(environ, values)
    read_environment(environ, values, tiers, problems)
    for name in NOT_IN_CONFIG:
        if name in values.tree:
            problems.append(_misplaced(name, values))
            del values.tree[name]
    models = _models(tiers, environ, problems)
    settings = _settings(project, values, models, problems)
    if problems or settings is None:
        raise ProjectError("\n".join(problems))
    return settings


def _open_telemetry(environ: Mapping[str, str], values: Values) -> None:
    """The names that every OpenTelemetry program reads; our own names win over them."""
    for name, key in (("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp_endpoint"), ("OTEL_SERVICE_NAME", "service_name")):
        if environ.get(name):
            values.put(("telemetry", key), environ[name], name)


def _misplaced(name: str, values: Values) -> str:
    place = values.place((name,))
    if name == MODELS:
        return f"{place}: the tiers of models stand in models.yaml beside this file"
    allowed = [key for key in Settings.model_fields if key not in NOT_IN_CONFIG]
    return f"{place}: unknown key '{name}' (known: {', '.join(allowed)})"


def _models(tiers: Values, environ: Mapping[str, str], problems: list[str]) -> dict[str, ModelSettings]:
    models: dict[str, ModelSettings] = {}
    for name, entry in tiers.tree.items():
        if not isinstance(entry, dict):
            problems.append(f"{tiers.place((name,))}: the tier '{name}' is a mapping with at least `model`")
            continue
        try:
            models[name] = choose(TierEntry.model_validate(entry), environ)
        except ValidationError as error:
            problems.extend(explain(error, TierEntry, tiers, (name,)))
    return models


def _settings(
    project: Project, values: Values, models: dict[str, ModelSettings], problems: list[str]
) -> Settings | None:
    own = {
        "root": project.root,
        "worker_modules": project.workers,
        "worker_packs": project.worker_packs,
        "graphs": project.graphs,
        "models": models,
    }
    try:
        return Settings.model_validate({**values.tree, **own})
    except ValidationError as error:
        problems.extend(explain(error, Settings, values, (), hidden=NOT_IN_CONFIG))
        return None
