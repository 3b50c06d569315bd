"""Values with the places that they come from, so that every mistake can be named with its file and line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from orchestrator.errors import ProjectError
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.yaml_nodes import Mapping, Node, json_of, read_yaml

Key = tuple[str | int, ...]


@dataclass(slots=True)
class Values:
    """A tree of settings; `places` tells where each key was written."""

    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[Key, str] = field(default_factory=dict)

    def put(self, key: tuple[str, ...], value: Any, place: str) -> None:
        """Set one value, making the mappings on the way."""
        branch = self.tree
        for part in key[:-1]:
            if not isinstance(branch.get(part), dict):
                branch[part] = {}
            branch = branch[part]
        branch[key[-1]] = value
        self.places[key] = place

    def place(self, key: Key) -> str:
        """Where `key` was written, or the nearest mapping around it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.places:
                return self.places[key[:length]]
        return "settings"


def read_file(file: Path, problems: list[str]) -> Values:
    """The values of a YAML file; none when there is no such file.

    Args:
        file: holds one mapping.
        problems: gets every mistake that the file has as YAML.

    Raises:
        ProjectError: it cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Values()
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} cannot be read: {error}") from error
    found = Problems(str(file), text)
    node = read_yaml(text, found)
    problems.extend(str(problem) for problem in found.found)
    if node is None or (not isinstance(node, Mapping) and json_of(node) is None):
        return Values()
    if not isinstance(node, Mapping):
        problems.append(f"{file}:{node.line + 1}:{node.column + 1}: the file must hold a mapping of settings")
        return Values()
    values = Values(_without_empty(json_of(node)))
    _note_places(node, file, (), values.places)
    return values


def _without_empty(tree: dict[str, Any]) -> dict[str, Any]:
    """A section whose keys are all commented out is an empty section."""
    return {key: {} if value is None else value for key, value in tree.items()}


def _note_places(node: Node, file: Path, key: Key, places: dict[Key, str]) -> None:
    if isinstance(node, Mapping):
        for name, child in node.entries.items():
            at = node.keys[name]
            places[(*key, name)] = f"{file}:{at.line + 1}:{at.column + 1}"
            _note_places(child, file, (*key, name), places)


def explain(
    error: ValidationError, model: type[BaseModel], values: Values, prefix: Key, *, hidden: Iterable[str] = ()
) -> list[str]:
    """The mistakes of a validation, each led by the place where the value was written.

    Args:
        error: from validating `values` against `model`.
        model: whose fields are the known keys.
        values: knows the places.
        prefix: where in `values` the validated part stands.
        hidden: fields that are not offered as the nearest valid key.
    """
    problems = []
    for item in error.errors(include_url=False):
        key: Key = (*prefix, *item["loc"])
        place, name = values.place(key), ".".join(str(part) for part in key)
        if item["type"] == "extra_forbidden":
            known = [field for field in _fields(model, item["loc"][:-1]) if field not in hidden]
            problems.append(f"{place}: unknown key '{name}' ({suggest(str(key[-1]), known)})")
        elif item["type"] == "missing":
            problems.append(f"{place}: {name} is missing")
        else:
            problems.append(f"{place}: {name}: {item['msg'].removeprefix('Value error, ')}")
    return problems


def _fields(model: type[BaseModel], path: Key) -> list[str]:
    kind: Any = model
    for part in path:
        if get_origin(kind) is dict:  # by names of the user's
            kind = get_args(kind)[1]
        elif _is_section(kind) and str(part) in kind.model_fields:
            kind = kind.model_fields[str(part)].annotation
        else:
            return []
    return list(kind.model_fields) if _is_section(kind) else []


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
