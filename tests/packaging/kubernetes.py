"""The files of configs/kubernetes, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "configs/kubernetes"
Resource = dict[str, Any]


def resources(file: Path) -> list[Resource]:
    """The documents of one file."""
    return [document for document in yaml.safe_load_all(file.read_text()) if document is not None]


def files() -> list[Path]:
    """All that hold resources; the kustomization is not sent to the cluster."""
    return sorted(file for file in FOLDER.rglob("*.yaml") if file.name != "kustomization.yaml")


def of_kind(kind: str) -> dict[str, Resource]:
    """All resources of a kind, by name."""
    found = [each for file in files() for each in resources(file) if each["kind"] == kind]
    return {each["metadata"]["name"]: each for each in found}


def container(deployment: Resource) -> Resource:
    """The one container of a Deployment."""
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return only


def pool_files() -> list[Path]:
    """One a pool, by its name."""
    return sorted((FOLDER / "pools").glob("*.yaml"))
