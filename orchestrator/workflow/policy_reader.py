"""Reads what a step does when something goes wrong: retry, timeouts, named policies, on_invalid, on_error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.outcome import INFRASTRUCTURE_ERRORS
from orchestrator.domain.policy import Backoff, ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind, Timeouts
from orchestrator.domain.worker import DEFAULT_POOL, HUMAN_WORKER, WorkerCard, WorkerKind
from orchestrator.workflow.fields import Fields, as_duration, as_items, as_mapping, as_text
from orchestrator.workflow.language import BACKOFF, POLICY, REMEDY, RETRY, RULE, TARGET, TIMEOUT
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.uses import Scope, Uses
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar

Layer = dict[str, dict[str, Any]]
"""The `retry` and `timeout` of one place, only the fields that are written there."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Whom a step can be handed to: why not to another model, why not to a person; empty where it can."""

    model: str = ""
    person: str = ""


def read_layer(problems: Problems, fields: Fields) -> Layer:
    """`retry` and `timeout` of a step, a policy or the defaults."""
    layer: Layer = {}
    if (node := fields.node("retry")) is not None:
        layer["retry"] = _retry(problems, node)
    if (node := fields.node("timeout")) is not None:
        layer["timeout"] = _timeout(problems, node)
    return layer


def join_layers(layers: Iterable[Layer], card: WorkerCard | None) -> tuple[RetryPolicy, Timeouts]:
    """Overlay field by field, the later the stronger; a worker's own timeout is the weakest."""
    retry: dict[str, Any] = {}
    backoff: dict[str, Any] = {}
    timeout: dict[str, Any] = {"attempt": card.timeout} if card and card.timeout else {}
    for layer in layers:
        retry |= layer.get("retry", {})
        backoff |= layer.get("retry", {}).get("backoff", {})
        timeout |= layer.get("timeout", {})
    return RetryPolicy(**{**retry, "backoff": Backoff(**backoff)}), Timeouts(**timeout)


def read_run_timeout(problems: Problems, fields: Fields) -> Layer:
    """`timeout` of a step that runs a workflow: only the whole of it has one."""
    layer = read_layer(problems, fields)
    node = fields.node("timeout")
    if isinstance(node, Scalar) and layer.get("timeout"):
        problems.at(node, "the attempts of a child run have timeouts of their own", f"write {{total: {node.text}}}")
    elif isinstance(node, Mapping):
        below = Fields(problems, node, "'timeout'", known=TIMEOUT)
        below.forbid(("attempt", "idle"), "does not go with kind 'workflow'", "write 'total'")
    return layer


def read_policies(reading: Reading, node: Node) -> None:
    """The workflow's `policies`, into `reading.policies`."""
    problems = reading.problems
    mapping = as_mapping(problems, node, "'policies'")
    for name, below in mapping.entries.items() if mapping else ():
        body = as_mapping(problems, below, f"policy '{name}'")
        if mapping is None or not reading.claims("policy", mapping.keys[name]):
            continue
        if body is not None:
            fields = Fields(problems, body, f"policy '{name}'", known=POLICY)
            reading.policies[name] = read_layer(problems, fields)
        else:
            reading.policies[name] = {}


def read_policy_name(reading: Reading, fields: Fields) -> Layer:
    """The layer that `policy: name` stands for."""
    name = fields.text("policy")
    if name is None:
        return {}
    if name not in reading.policies:
        node = fields.mapping.entries["policy"]
        reading.problems.at(node, f"unknown policy '{name[:80]}'", suggest(name, reading.policies))
    return reading.policies.get(name, {})


def read_on_invalid(reading: Reading, node: Node, handover: Handover) -> tuple[Remedy, ...]:
    """The remedies for bad output, in order."""
    remedies: list[Remedy] = []
    for item in as_items(reading.problems, node, "'on_invalid'", "write - {do: revise}") or ():
        mapping = as_mapping(reading.problems, item, "an entry of 'on_invalid'", "write {do: revise, times: 2}")
        if mapping is None:
            continue
        if remedies and remedies[-1].kind in (RemedyKind.CONTINUE, RemedyKind.FAIL):
            reading.problems.at(item, f"never tried: '{remedies[-1].kind}' before it ends the matter")
        remedy = _remedy(reading, mapping, handover)
        if remedy is not None:
            remedies.append(remedy)
    return tuple(remedies)


def read_on_error(reading: Reading, uses: Uses, node: Node, scope: Scope, handover: Handover) -> tuple[ErrorRule, ...]:
    """The rules for errors, in order."""
    rules: list[ErrorRule] = []
    for item in as_items(reading.problems, node, "'on_error'", "write - {do: continue}") or ():
        mapping = as_mapping(reading.problems, item, "an entry of 'on_error'", "write {do: continue}")
        if mapping is None:
            continue
        if rules and not rules[-1].condition:
            reading.problems.at(item, "never applied: the entry before it has no 'if' and takes every error")
        rule = _rule(reading, uses, mapping, scope.plus("error"), handover)
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _retry(problems: Problems, node: Node) -> dict[str, Any]:
    mapping = as_mapping(problems, node, "'retry'", "write {max_attempts: 3}")
    if mapping is None:
        return {}
    fields = Fields(problems, mapping, "'retry'", known=RETRY)
    given: dict[str, Any] = {"max_attempts": fields.integer("max_attempts")}
    if (errors := fields.node("errors")) is not None:
        given["errors"] = _error_classes(problems, errors)
    if (backoff := fields.node("backoff")) is not None and (body := as_mapping(problems, backoff, "'backoff'")):
        given["backoff"] = _backoff(problems, body)
    return _given(given)


def _backoff(problems: Problems, mapping: Mapping) -> dict[str, Any]:
    fields = Fields(problems, mapping, "'backoff'", known=BACKOFF)
    given = _given(
        {
            "initial": fields.duration("initial"),
            "factor": fields.number("factor"),
            "max": fields.duration("max"),
            "jitter": fields.boolean("jitter"),
        }
    )
    if "initial" in given and "max" in given and given["initial"] > given["max"]:
        problems.at(mapping.entries["initial"], "'initial' is longer than 'max'")
    return given


def _error_classes(problems: Problems, node: Node) -> tuple[str, ...]:
    names = []
    for item in as_items(problems, node, "'errors'", "write [rate_limit, timeout]") or ():
        name = as_text(problems, item, "an error class")
        if name is not None and name not in INFRASTRUCTURE_ERRORS:
            hint = suggest(name, INFRASTRUCTURE_ERRORS)
            problems.at(item, f"'{name[:60]}' is not an infrastructure error, so it is not retried", hint)
        elif name is not None:
            names.append(name)
    return tuple(names)


def _timeout(problems: Problems, node: Node) -> dict[str, Any]:
    if isinstance(node, Scalar):
        return _given({"attempt": as_duration(problems, node, "'timeout'")})
    mapping = as_mapping(problems, node, "'timeout'", "write 60s or {attempt: 60s, total: 5m}")
    if mapping is None:
        return {}
    fields = Fields(problems, mapping, "'timeout'", known=TIMEOUT)
    return _given({key: fields.duration(key) for key in TIMEOUT})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _remedy(reading: Reading, mapping: Mapping, handover: Handover) -> Remedy | None:
    problems = reading.problems
    fields = Fields(problems, mapping, "'on_invalid'", known=REMEDY)
    fields.require("do")
    word = fields.choice("do")
    if word is None:
        return None
    kind = RemedyKind(word)
    times = fields.integer("times") or 1
    if kind in (RemedyKind.CONTINUE, RemedyKind.FAIL):
        fields.forbid(("times",), f"has no meaning with '{word}'")
    target = _target(reading, fields, handover, escalates=kind is RemedyKind.ESCALATE)
    return None if target is None else Remedy(kind, times, **target)


def _rule(reading: Reading, uses: Uses, mapping: Mapping, scope: Scope, handover: Handover) -> ErrorRule | None:
    problems = reading.problems
    fields = Fields(problems, mapping, "'on_error'", known=RULE)
    fields.require("do")
    condition = fields.node("if")
    text = uses.condition(condition, scope, "'if'") if condition is not None else ""
    output = fields.node("output")
    value = uses.template(output, scope, "'output'") if output is not None else None
    word = fields.choice("do")
    if word is None or text is None:
        return None
    if word != RuleKind.CONTINUE:
        fields.forbid(("output",), "goes with 'do: continue' only")
    target = _target(reading, fields, handover, escalates=word == RuleKind.ESCALATE)
    return None if target is None else ErrorRule(RuleKind(word), text, value, **target)


def _target(reading: Reading, fields: Fields, handover: Handover, *, escalates: bool) -> dict[str, Any] | None:
    """Where an escalation goes; nothing for what does not escalate, None after a mistake."""
    problems = reading.problems
    if not escalates:
        fields.forbid(tuple(TARGET), "goes with 'do: escalate' only")
        return {}
    given = [(key, node) for key in TARGET if (node := fields.node(key)) is not None]
    if len(given) != 1:
        if given or all(map(fields.lacks, TARGET)):
            problems.at(fields.mapping, "'escalate' needs one of 'model', 'worker' and 'to'")
        return None
    ((key, node),) = given
    why_not = {"model": handover.model, "to": handover.person}.get(key)
    if why_not:
        problems.at(node, why_not, "escalate to a worker" if key == "model" else "")
        return None
    if key == "model":
        return {"model": reading.model(node)[0]}
    if key == "to":
        return None if fields.choice("to") is None else {"worker": HUMAN_WORKER, "pool": ""}
    name, card = reading.card(node, WorkerKind.WORKER)
    return {"worker": name, "pool": card.pool if card else DEFAULT_POOL}
