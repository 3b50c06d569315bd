"""Reads `validate`: the assertions, validators and models that judge an output, written out or called by their name."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain.worker import VALIDATOR_POOL, WorkerKind
from orchestrator.workflow.fields import Fields, as_items, as_mapping
from orchestrator.workflow.judge_reader import read_judge
from orchestrator.workflow.language import CHECK, CHECKERS, STEP_CHECK
from orchestrator.workflow.model import ValidatorSpec
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.uses import Scope, Uses
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar


def read_validators(reading: Reading, uses: Uses, node: Node, scope: Scope) -> tuple[ValidatorSpec, ...]:
    """The entries of `validate`, in order, each with a name of its own."""
    problems = reading.problems
    specs: list[ValidatorSpec] = []
    for item in as_items(problems, node, "'validate'", "write - {expr: size(output.text) > 0}") or ():
        spec = _entry(reading, uses, item, scope)
        if spec is None:
            continue
        if any(other.name == spec.name for other in specs):
            problems.at(item, f"two validators are called '{spec.name}'", "give one a 'name'")
        specs.append(spec)
    return tuple(specs)


def read_definition(reading: Reading, uses: Uses, body: Mapping, name: str, scope: Scope) -> ValidatorSpec | None:
    """One entry of the workflow's own `validators`, or of a file that it uses."""
    fields = Fields(reading.problems, body, f"validator '{name}'", known=CHECK)
    return _validator(reading, uses, fields, name, scope)


def _entry(reading: Reading, uses: Uses, item: Node, scope: Scope) -> ValidatorSpec | None:
    if isinstance(item, Scalar) and isinstance(item.value, str):
        return _named(reading, uses, item, scope)
    mapping = as_mapping(
        reading.problems, item, "an entry of 'validate'", "write {expr: …}, {worker: name} or {judge: …}"
    )
    if mapping is None:
        return None
    fields = Fields(reading.problems, mapping, "'validate'", known=STEP_CHECK)
    name = fields.text("name")
    if name == "output schema":
        reading.problems.at(mapping.entries["name"], "'output schema' is the name of the check of 'output' itself")
    return _validator(reading, uses, fields, name, scope)


def _named(reading: Reading, uses: Uses, item: Scalar, scope: Scope) -> ValidatorSpec | None:
    """A validator of `validators`, read anew for this step: its expression is checked against the step's output."""
    name = item.text
    if name not in reading.validators:
        hint = suggest(name, reading.validators) or "write {expr: …}, or define it under 'validators'"
        reading.problems.at(item, f"unknown validator '{name[:60]}'", hint)
        return None
    definition = reading.validators[name]
    if definition.body is None:
        return None
    own = Uses(definition.reading.problems)
    spec = read_definition(definition.reading, own, definition.body, name, scope)
    uses.all += [replace(use, shared=True) for use in own.all]
    return spec


def _validator(reading: Reading, uses: Uses, fields: Fields, name: str | None, scope: Scope) -> ValidatorSpec | None:
    given = {key: node for key in CHECKERS if (node := fields.node(key)) is not None}
    if len(given) != 1:
        reading.problems.at(fields.mapping, "a validator needs either 'expr', 'worker' or 'judge'")
        return None
    [(key, node)] = given.items()
    if key == "expr":
        return _assertion(fields, uses, node, name, scope)
    if key == "worker":
        return _worker(reading, fields, node, name)
    return read_judge(reading, uses, fields, name=name, scope=scope)


def _assertion(fields: Fields, uses: Uses, node: Node, name: str | None, scope: Scope) -> ValidatorSpec | None:
    fields.forbid(("timeout",), "goes with 'worker' and 'judge' only")
    expr = uses.condition(node, scope.plus("output", "input"), "'expr'")
    message = fields.text("message") or ""
    return None if expr is None else ValidatorSpec(name=name or expr[:80], expr=expr, message=message)


def _worker(reading: Reading, fields: Fields, node: Node, name: str | None) -> ValidatorSpec | None:
    fields.forbid(("message",), "goes with 'expr' only; a worker says itself why")
    called, card = reading.card(node, WorkerKind.VALIDATOR)
    timeout = fields.duration("timeout") or (card.timeout if card else None)
    pool = card.pool if card else VALIDATOR_POOL
    if called is None:
        return None
    return ValidatorSpec(name=name or called, worker=called, pool=pool, timeout=timeout)
