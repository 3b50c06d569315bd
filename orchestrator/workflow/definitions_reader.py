"""Reads what a file defines by name: `models`, `policies`, `validators`; first those of the files that it uses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.workflow.fields import Fields, as_items, as_mapping, as_name, as_text
from orchestrator.workflow.language import API, MODEL, USED
from orchestrator.workflow.model import ModelTier
from orchestrator.workflow.policy_reader import read_policies
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.reading import ID, ID_MEANS, Definition, Reading, why_unreadable
from orchestrator.workflow.uses import Scope, Uses
from orchestrator.workflow.validate_reader import read_definition
from orchestrator.workflow.yaml_nodes import LONGEST_TEXT, Node, read_yaml

MOST_USED = 100


def read_definitions(reading: Reading, fields: Fields, trail: tuple[Path, ...] = ()) -> None:
    """The definitions of one file into `reading`; first those of the files that it uses."""
    if (node := fields.node("use")) is not None:
        for item in as_items(reading.problems, node, "'use'", "write [./shared/policies.yaml]") or ():
            _use(reading, item, trail or _trail(reading))
    if (node := fields.node("models")) is not None:
        _models(reading, node)
    if (node := fields.node("policies")) is not None:
        read_policies(reading, node)
    if (node := fields.node("validators")) is not None:
        _validators(reading, node)


def _trail(reading: Reading) -> tuple[Path, ...]:
    """The workflow file itself: the first of the files that lead to the one that is read."""
    if reading.folder is None:
        return ()
    return ((reading.folder / Path(reading.problems.file).name).resolve(),)


def _use(reading: Reading, node: Node, trail: tuple[Path, ...]) -> None:
    """Read one file that is used, unless it has been read."""
    problems = reading.problems
    name = as_text(problems, node, "a file to use")
    if name is None:
        return
    if reading.folder is None:
        problems.at(node, "'use' needs a workflow file that it can be relative to")
        return
    try:
        path = (reading.folder / name).resolve()
        if path in trail:
            circle = " → ".join(step.name for step in (*trail[trail.index(path) :], path))
            problems.at(node, f"files use each other: {circle}")
            return
        if path in reading.used:
            return
        if len(reading.used) >= MOST_USED:
            problems.at(node, f"more than {MOST_USED} files are used")
            return
        reading.used.add(path)
        with path.open(encoding="utf-8") as stream:
            text = stream.read(LONGEST_TEXT + 1)
    except (OSError, ValueError, RuntimeError) as error:
        problems.at(node, f"cannot read '{name[:200]}': {why_unreadable(error)}")
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
        body = as_mapping(problems, below, f"validator '{name}'", "write {expr: …} or {worker: name}")
        key = mapping.keys[name] if mapping else below
        as_name(problems, key, "a validator", ID, ID_MEANS)
        if mapping is None or not reading.claims("validator", mapping.keys[name]):
            continue
        uses = Uses(problems)
        if body is not None:
            read_definition(reading, uses, body, name, Scope())
        reading.definitions += uses.all
        reading.validators[name] = Definition(reading, body)
