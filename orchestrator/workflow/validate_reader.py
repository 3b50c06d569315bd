"""Reads `validate`: the assertions and validators that judge an output."""

from __future__ import annotations

from orchestrator.domain.worker import VALIDATOR_POOL, WorkerKind
from orchestrator.workflow.fields import Fields, as_items, as_mapping
from orchestrator.workflow.model import ValidatorSpec
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.uses import Scope, Uses
from orchestrator.workflow.yaml_nodes import Mapping, Node

KNOWN = ("name", "expr", "worker", "message", "timeout")


def read_validators(reading: Reading, uses: Uses, node: Node, scope: Scope) -> tuple[ValidatorSpec, ...]:
    """The entries of `validate`, in order, each with a name of its own."""
    problems = reading.problems
    specs: list[ValidatorSpec] = []
    for item in as_items(problems, node, "'validate'", "write - {expr: size(output.text) > 0}") or ():
        mapping = as_mapping(problems, item, "an entry of 'validate'", "write {expr: …} or {worker: name}")
        spec = _validator(reading, uses, mapping, scope) if mapping is not None else None
        if spec is None:
            continue
        if any(other.name == spec.name for other in specs):
            problems.at(item, f"two validators are called '{spec.name}'", "give one a 'name'")
        specs.append(spec)
    return tuple(specs)


def _validator(reading: Reading, uses: Uses, mapping: Mapping, scope: Scope) -> ValidatorSpec | None:
    fields = Fields(reading.problems, mapping, "'validate'", known=KNOWN, later=("judge",))
    expr, worker = fields.node("expr"), fields.node("worker")
    name = fields.text("name")
    if name == "output schema":
        reading.problems.at(mapping.entries["name"], "'output schema' is the name of the check of 'output' itself")
    if expr is not None and worker is None:
        return _assertion(fields, uses, expr, name, scope)
    if worker is not None and expr is None:
        return _worker(reading, fields, worker, name)
    if "judge" not in fields:
        reading.problems.at(mapping, "a validator needs either 'expr' or 'worker'")
    return None


def _assertion(fields: Fields, uses: Uses, node: Node, name: str | None, scope: Scope) -> ValidatorSpec | None:
    fields.forbid(("timeout",), "goes with 'worker' only")
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
