"""Reads what a file defines by name: `models`, `policies`, `validators`; first those of the files that it uses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.workflow.fields import Fields, as_items, as_mapping, as_name, as_text
from orchestrator.workflow.language import API, MODEL, USED
from orchestrator.workflow.model import ModelTier
from orchestrator.workflow.policy_reader import read_policies
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.reading import ID, ID_MEANS, Definition, Reading, circle
from orchestrator.workflow.uses import Scope, Uses
from orchestrator.workflow.validate_reader import read_definition
from orchestrator.workflow.yaml_nodes import Node, read_yaml


def read_definitions(reading: Reading, fields: Fields, trail: tuple[Path, ...] = ()) -> None:
    """The definitions of one file into `reading`; first those of the files that it uses."""
    if (node := fields.node("use")) is not None:
        for item in as_items(reading.problems, node, "'use'", "write [./shared/policies.yaml]") or ():
            _use(reading, item, trail or reading.trail[-1:])
    if (node := fields.node("models")) is not None:
        _models(reading, node)
    if (node := fields.node("policies")) is not None:
        read_policies(reading, node)
    if (node := fields.node("validators")) is not None:
        _validators(reading, node)


def _use(reading: Reading, node: Node, trail: tuple[Path, ...]) -> None:
    """Read one file that is used, unless it has been read."""
    problems = reading.problems
    name = as_text(problems, node, "a file to use")
    if name is None:
        return
    path = reading.other_file(node, name, "'use'")
    if path is None:
        return
    if path in trail:
        problems.at(node, f"files use each other: {circle(trail, path)}")
        return
    if path in reading.used:
        return
    reading.used.add(path)
    text = reading.text_of(node, name, path)
    if text is None:
        return
    found = Problems(str(Path(problems.file).parent / name), text, problems.found)
    _read_used(replace(reading, problems=found, folder=path.parent), text, (*trail, path))


def _read_used(reading: Reading, text: str, trail: tuple[Path, ...]) -> None:
    problems, before = reading.problems, len(reading.problems.found)
    root = read_yaml(text, problems)
    if root is None:
        if len(problems.found) == before:
            problems.at_line(0, 0, "the file is empty")
        return
    mapping = as_mapping(problems, root, "a file that is used")
    if mapping is None:
        return
    fields = Fields(problems, mapping, "a file that is used", known=USED)
    if fields.require("api", f"api: {API}") is not None:
        fields.choice("api")
    read_definitions(reading, fields, trail)


def _models(reading: Reading, node: Node) -> None:
    mapping = as_mapping(reading.problems, node, "'models'")
    for name, below in mapping.entries.items() if mapping else ():
        where = f"model '{name}'"
        body = as_mapping(reading.problems, below, where, "write {model: small}")
        if mapping is None or not reading.claims("model", mapping.keys[name]):
            continue
        reading.models[name] = ModelTier(model=name)
        if body is None:
            continue
        tier = Fields(reading.problems, body, where, known=MODEL)
        at, called = tier.require("model", "a tier of configs/models.yaml"), tier.text("model")
        if at is not None and called is not None:
            reading.tier(at, called, own=False)
            cap = tier.number("price_cap_usd")
            reading.models[name] = ModelTier(model=called, price_cap_usd=cap)


def _validators(reading: Reading, node: Node) -> None:
    problems = reading.problems
    mapping = as_mapping(problems, node, "'validators'", "write {cited: {expr: …}}")
    for name, below in mapping.entries.items() if mapping else ():
        body = as_mapping(problems, below, f"validator '{name}'", "write {expr: …}, {worker: name} or {judge: …}")
        key = mapping.keys[name] if mapping else below
        as_name(problems, key, "a validator", ID, ID_MEANS)
        if mapping is None or not reading.claims("validator", mapping.keys[name]):
            continue
        uses = Uses(problems)
        if body is not None:
            read_definition(reading, uses, body, name, Scope())
        reading.definitions += uses.all
        reading.validators[name] = Definition(reading, body)
