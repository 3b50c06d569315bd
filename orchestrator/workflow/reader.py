"""Reads the top level of a workflow file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.workflow.budget_reader import read_budget
from orchestrator.workflow.definitions_reader import read_definitions
from orchestrator.workflow.fields import Fields, as_items, as_mapping, as_name
from orchestrator.workflow.json_schema import value_problems
from orchestrator.workflow.language import API, DEFAULTS, WORKFLOW
from orchestrator.workflow.policy_reader import Layer, read_layer, read_policy_name
from orchestrator.workflow.reading import ID, ID_MEANS, IDENTIFIER, IDENTIFIER_MEANS, Reading
from orchestrator.workflow.schema_reader import read_schema
from orchestrator.workflow.shapes import Shape
from orchestrator.workflow.step_draft import Defaults, StepDraft
from orchestrator.workflow.step_reader import read_step
from orchestrator.workflow.uses import Scope, Use, Uses
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, trap

LONGEST_ENDING = 300.0
"""Seconds that a step of `finally` has in all, where nothing else is said."""


@dataclass(slots=True)
class Draft:
    """A workflow as written, before the checks of the whole; `outputs` is where they stand."""

    values: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, StepDraft] = field(default_factory=dict)
    finally_: dict[str, StepDraft] = field(default_factory=dict)
    outputs: Mapping | None = None
    output_uses: list[Use] = field(default_factory=list)

    @property
    def all_steps(self) -> dict[str, StepDraft]:
        """The steps, then those of `finally`."""
        return {**self.steps, **self.finally_}


def read_workflow(reading: Reading, root: Node) -> Draft:
    """Read a whole file; every mistake in it is noted."""
    draft = Draft()
    mapping = as_mapping(reading.problems, root, "a workflow")
    if mapping is not None:
        fields = Fields(reading.problems, mapping, "the workflow", known=WORKFLOW)
        _head(reading, fields, draft)
        _inputs(reading, fields, draft)
        _secrets(reading, fields, draft)
        read_definitions(reading, fields)
        draft.values["models"] = reading.models
        defaults = _defaults(reading, fields)
        _steps(reading, fields, draft, defaults)
        _finally(reading, fields, draft, defaults)
        _outputs(reading, fields, draft)
    return draft


def _head(reading: Reading, fields: Fields, draft: Draft) -> None:
    problems = reading.problems
    if fields.require("api", f"api: {API}") is not None:
        fields.choice("api")
    name = fields.require("name", "name: my_workflow")
    if name is not None:
        draft.values["name"] = as_name(problems, name, "'name'", ID, ID_MEANS)
    version = fields.node("version")
    written = isinstance(version, Scalar) and not isinstance(version.value, bool | None)
    if written and isinstance(version, Scalar) and 0 < len(version.text) <= 60:
        draft.values["version"] = version.text
    elif version is not None:
        problems.at(version, "'version' must be text such as 1.0.0")
    draft.values["description"] = fields.text("description") or ""
    if (budget := fields.node("budget")) is not None:
        draft.values["budget"] = read_budget(problems, budget)


def _inputs(reading: Reading, fields: Fields, draft: Draft) -> None:
    node = fields.node("inputs")
    mapping = as_mapping(reading.problems, node, "'inputs'") if node is not None else None
    for name, below in mapping.entries.items() if mapping else ():
        key = mapping.keys[name] if mapping else below
        as_name(reading.problems, key, "an input", IDENTIFIER, IDENTIFIER_MEANS)
        schema = read_schema(reading.problems, below, f"input '{name}'")
        draft.inputs[name] = schema or {}
        if schema and "default" in schema and isinstance(below, Mapping):
            node, kinds = below.entries["default"], Shape(schema, schema).kinds
            for problem in value_problems(schema, schema["default"]):
                reading.problems.at(node, f"the default does not fit: {problem}", trap(node, kinds))


def _secrets(reading: Reading, fields: Fields, draft: Draft) -> None:
    node = fields.node("secrets")
    for item in as_items(reading.problems, node, "'secrets'", "write [API_KEY]") or () if node is not None else ():
        name = as_name(reading.problems, item, "a secret", IDENTIFIER, IDENTIFIER_MEANS)
        if name in reading.secrets:
            reading.problems.at(item, f"secret '{name}' is named twice")
        elif name is not None:
            reading.secrets[name] = item
    draft.values["secrets"] = tuple(reading.secrets)


def _defaults(reading: Reading, fields: Fields) -> Defaults:
    node = fields.node("defaults")
    mapping = as_mapping(reading.problems, node, "'defaults'") if node is not None else None
    if mapping is None:
        return Defaults()
    below = Fields(reading.problems, mapping, "'defaults'", known=DEFAULTS)
    model = below.node("model")
    if model is not None:
        reading.model(model)
    return Defaults([read_policy_name(reading, below), read_layer(reading.problems, below)], model)


def _steps(reading: Reading, fields: Fields, draft: Draft, defaults: Defaults) -> None:
    node = fields.require("steps")
    mapping = as_mapping(reading.problems, node, "'steps'", "steps are written by name") if node is not None else None
    if mapping is None:
        return
    if not mapping.entries:
        reading.problems.at(mapping, "a workflow needs at least one step")
    for name, below in mapping.entries.items():
        key = mapping.keys[name]
        as_name(reading.problems, key, "a step", ID, ID_MEANS)
        draft.steps[name] = read_step(reading, key, below, defaults, Scope(name))


def _finally(reading: Reading, fields: Fields, draft: Draft, defaults: Defaults) -> None:
    node = fields.node("finally")
    mapping = as_mapping(reading.problems, node, "'finally'", "steps are written by name") if node is not None else None
    if mapping is None:
        return
    if not mapping.entries:
        reading.problems.at(mapping, "'finally' has no step", "leave it out")
    patience: Layer = {"timeout": {"total": LONGEST_ENDING}}
    below = Defaults([patience, *defaults.layers], defaults.model)
    for name, body in mapping.entries.items():
        key = mapping.keys[name]
        as_name(reading.problems, key, "a step", ID, ID_MEANS)
        step = read_step(reading, key, body, below, Scope(name, ending=True))
        if name in draft.steps:
            hint = f"it stands under 'steps' already, on line {draft.steps[name].key.line + 1}"
            reading.problems.at(key, f"two steps are called '{name[:60]}'", hint)
        else:
            draft.finally_[name] = step


def _outputs(reading: Reading, fields: Fields, draft: Draft) -> None:
    node = fields.node("outputs")
    mapping = (
        as_mapping(reading.problems, node, "'outputs'", "outputs are written by name") if node is not None else None
    )
    if mapping is not None:
        draft.outputs = mapping
        uses = Uses(reading.problems)
        draft.values["outputs"] = uses.template(mapping, Scope(), "an output")
        draft.output_uses = uses.all
