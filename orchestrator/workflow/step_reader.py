"""Reads one step: its kind, the keys of that kind, and those that every step has."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.worker import HUMAN_WORKER
from orchestrator.workflow.fields import Fields, as_mapping, as_text
from orchestrator.workflow.foreach_reader import read_foreach
from orchestrator.workflow.kind_readers import NO_PEOPLE, READERS, read_claim
from orchestrator.workflow.language import KINDS, STEP, Section
from orchestrator.workflow.needs_reader import read_needs
from orchestrator.workflow.plan_reader import read_plan
from orchestrator.workflow.policy_reader import Handover, read_on_error, read_on_invalid
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.step_draft import Defaults, StepDraft, StepReading
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.uses import Scope, Uses
from orchestrator.workflow.validate_reader import read_validators
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar

EVERY_KEY = Section({**STEP.keys, **{name: key for section in KINDS.values() for name, key in section.keys.items()}})
FOREIGN = {kind: tuple(name for name in EVERY_KEY if name not in {*section, *STEP}) for kind, section in KINDS.items()}
INSTEAD = {
    ("human", "output"): "write 'form'",
    ("human", "timeout"): "write 'expires'",
    ("workflow", "secrets"): "the steps of the workflow that it runs ask for their own",
    ("workflow", "pool"): "the steps of the workflow that it runs have their own",
    ("workflow", "rate"): "the steps of the workflow that it runs have their own",
    ("plan", "prompt"): "write 'goal'",
    ("plan", "secrets"): "a plan's steps have none",
    ("plan", "uses"): "a plan's steps are written when it runs",
}
"""What to write in place of a key of another kind."""


TEXT_ALONE = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string"}},
    "additionalProperties": False,
}
"""What an agent without `output` gives."""


def read_step(reading: Reading, key: Scalar, node: Node, defaults: Defaults, scope: Scope) -> StepDraft:
    """Read a step; every mistake in it is noted. `scope` is what all of its expressions see."""
    draft = StepDraft(key.text, key, scope, place=node)
    mapping = as_mapping(reading.problems, node, f"step '{key.text}'")
    if mapping is not None and (kind := _kind(reading, draft, mapping)) is not None:
        _read(reading, draft, mapping, kind, defaults)
    return draft


def _read(reading: Reading, draft: StepDraft, mapping: Mapping, kind: str, defaults: Defaults) -> None:
    """The fields of a step of a known kind into its draft."""
    known = Section({**EVERY_KEY.keys, **KINDS[kind].keys})
    fields = Fields(reading.problems, mapping, f"step '{draft.id}'", known=known)
    for name in FOREIGN[kind]:
        fields.forbid((name,), f"does not go with kind '{kind}'", INSTEAD.get((kind, name), ""))
    step = StepReading(reading, draft, fields, defaults, Uses(reading.problems), draft.scope)
    draft.values.update(id=draft.id, kind=kind, line=draft.key.line + 1)
    read_foreach(step)
    {**READERS, "plan": read_plan}[kind](step)
    _remedies(step, kind)
    _plain(step)
    if "pool" in KINDS[kind]:
        read_claim(step)
    draft.uses = step.uses.all


def _kind(reading: Reading, draft: StepDraft, mapping: Mapping) -> str | None:
    node = mapping.entries.get("kind")
    known = ", ".join(KINDS)
    if node is None:
        reading.problems.at(draft.key, f"step '{draft.id}' needs 'kind'", f"one of {known}")
        return None
    kind = as_text(reading.problems, node, "'kind'")
    if kind is not None and kind not in KINDS:
        reading.problems.at(node, f"unknown kind '{kind[:60]}'", suggest(kind, KINDS))
    elif kind == "human" and draft.scope.ending:
        reading.problems.at(node, NO_PEOPLE)
    else:
        return kind
    return None


def _handover(step: StepReading, kind: str) -> Handover:
    model = "" if kind == "agent" else "only an agent can be handed to another model"
    if kind == "human":
        return Handover(model, "a person is asked already")
    return Handover(model, NO_PEOPLE if step.scope.ending else "")


def _remedies(step: StepReading, kind: str) -> None:
    """`on_invalid` and `on_error`."""
    handover = _handover(step, kind)
    if (node := step.fields.node("on_invalid")) is not None:
        step.values["on_invalid"] = read_on_invalid(step.reading, node, handover)
    if (node := step.fields.node("on_error")) is not None:
        step.values["on_error"] = read_on_error(step.reading, step.uses, node, step.scope, handover)
    ways = (*step.values.get("on_invalid", ()), *step.values.get("on_error", ()))
    if any(way.worker == HUMAN_WORKER for way in ways):
        _promise(step, kind)


def _promise(step: StepReading, kind: str) -> None:
    """A person who takes over is asked for what the worker promises, unless the step says itself what it needs."""
    step.draft.hands_over = True
    if "output" in step.fields:
        return
    gives = step.draft.signature.gives if step.draft.signature else None
    if gives is not None:
        step.values["output"] = dict(gives.schema)
    elif kind == "agent":
        step.values["form"] = TEXT_ALONE


def _plain(step: StepReading) -> None:
    step.keep("description", step.fields.text("description"))
    step.keep("priority", step.fields.integer("priority"))
    if (node := step.fields.node("validate")) is not None:
        scope = replace(step.scope, with_keys=step.draft.with_keys)
        step.values["validators"] = read_validators(step.reading, step.uses, node, scope)
    if (node := step.fields.node("needs")) is not None:
        step.draft.needs = read_needs(step.problems, node)
    if (node := step.fields.node("when")) is not None:
        step.draft.when = node
        step.keep("when", step.uses.condition(node, step.scope, "'when'"))
