"""Reads one step: its fields, its expressions, and what only the checks of the whole can tell later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.worker import AGENT_POOL, AGENT_WORKER, DEFAULT_POOL, WorkerCard, WorkerKind
from orchestrator.workflow.fields import NOT_YET, Fields, as_items, as_mapping, as_name, as_text
from orchestrator.workflow.language import FOREACH, KINDS, PROMPT_FILE, STEP, Section
from orchestrator.workflow.model import ForeachSpec, ValidatorSpec
from orchestrator.workflow.needs_reader import Needs, read_needs
from orchestrator.workflow.policy_reader import (
    Layer,
    join_layers,
    read_layer,
    read_on_error,
    read_on_invalid,
    read_policy_name,
)
from orchestrator.workflow.problems import LocatedText
from orchestrator.workflow.reading import CEL_WORDS, IDENTIFIER, IDENTIFIER_MEANS, POOL, POOL_MEANS, Reading
from orchestrator.workflow.schema_reader import read_schema
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.uses import Checked, Scope, Use, Uses
from orchestrator.workflow.validate_reader import read_validators
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, kind_of

LATER_KEYS = ("repeat", "tools", "max_turns", "rate", "budget")
LATER_KINDS = ("workflow", "plan", "human")
RESERVED = frozenset({"inputs", "steps", "run", "with", "index", "input", "output", "error", "previous"})


@dataclass(slots=True)
class Defaults:
    """The workflow's `defaults`: a layer of policy and a model."""

    layers: list[Layer] = field(default_factory=list)
    model: Node | None = None


@dataclass(slots=True)
class StepDraft:
    """A step as written; `values` are the fields of its `StepSpec` that are known already.

    `checked` holds those of `uses` that are sound; `items` is what `foreach` goes over.
    """

    id: str
    key: Scalar
    values: dict[str, Any] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    needs: Needs = field(default_factory=dict)
    card: WorkerCard | None = None
    with_node: Mapping | None = None
    place: Node | None = None
    items: Node | None = None
    when: Node | None = None


def read_step(reading: Reading, key: Scalar, node: Node, defaults: Defaults) -> StepDraft:
    """Read a step; every mistake in it is noted."""
    draft = StepDraft(key.text, key, place=node)
    mapping = as_mapping(reading.problems, node, f"step '{key.text}'")
    if mapping is not None and (kind := _kind(reading, draft, mapping)) is not None:
        _StepReader(reading, draft, mapping, kind, defaults).read()
    return draft


def _kind(reading: Reading, draft: StepDraft, mapping: Mapping) -> str | None:
    node = mapping.entries.get("kind")
    if node is None:
        reading.problems.at(draft.key, f"step '{draft.id}' needs 'kind'", "kind: worker or kind: agent")
        return None
    kind = as_text(reading.problems, node, "'kind'")
    if kind in LATER_KINDS:
        reading.problems.at(node, f"kind '{kind}' {NOT_YET}", "known: agent, worker")
    elif kind is not None and kind not in KINDS:
        reading.problems.at(node, f"unknown kind '{kind[:60]}'", suggest(kind, [*KINDS, *LATER_KINDS]))
    else:
        return kind
    return None


class _StepReader:
    """Reads the fields of one step of a known kind into its draft."""

    def __init__(self, reading: Reading, draft: StepDraft, mapping: Mapping, kind: str, defaults: Defaults) -> None:
        self.reading, self.draft, self.defaults = reading, draft, defaults
        self.problems = reading.problems
        self.agent = kind == "agent"
        own = KINDS[kind].keys
        foreign = {name: key for section in KINDS.values() for name, key in section.keys.items() if name not in own}
        known = Section({**STEP.keys, **own, **foreign})
        self.fields = Fields(self.problems, mapping, f"step '{draft.id}'", known=known, later=LATER_KEYS)
        self.fields.forbid(list(foreign), f"does not go with kind '{kind}'")
        self.uses = Uses(self.problems)
        self.scope = Scope(draft.id)
        self.values = draft.values
        self.values.update(id=draft.id, kind=kind, line=draft.key.line + 1)

    def read(self) -> None:
        self.item_scope = self._foreach()
        if self.agent:
            self._agent()
        else:
            self._worker()
        self._with()
        if self.agent:
            self._prompts()
        self._policy()
        self._plain_fields()
        self.draft.uses = self.uses.all

    def _set(self, name: str, value: Any) -> None:
        if value is not None:
            self.values[name] = value

    def _with_node(self, key: str, read: Callable[[Node], Any], name: str = "") -> None:
        node = self.fields.node(key)
        if node is not None:
            self._set(name or key, read(node))

    def _lacks(self, key: str, suggestion: str) -> None:
        if self.fields.lacks(key):
            self.problems.at(self.draft.key, f"step '{self.draft.id}' needs '{key}'", suggestion)

    def _agent(self) -> None:
        self.values["worker"] = AGENT_WORKER
        self.values["pool"] = AGENT_POOL
        node = self.fields.node("model") or self.defaults.model
        if node is None:
            self._lacks("model", "the name of a tier")
        else:
            self.values["model"], self.values["price_cap_usd"] = self.reading.model(node)

    def _worker(self) -> None:
        node = self.fields.node("worker")
        if node is None:
            self._lacks("worker", "the name of a registered worker")
            return
        name, card = self.reading.card(node, WorkerKind.WORKER)
        self.draft.card, self.draft.place = card, node
        self._set("worker", name)
        self.values["pool"] = card.pool if card else DEFAULT_POOL

    def _foreach(self) -> Scope:
        node = self.fields.node("foreach")
        hint = "write {items: ${{ … }}, as: item}"
        mapping = as_mapping(self.problems, node, "'foreach'", hint) if node is not None else None
        if mapping is None:
            return self.scope
        fields = Fields(self.problems, mapping, "'foreach'", known=FOREACH)
        items = self._items(fields)
        name = self._item_name(fields)
        policy = fields.choice("on_item_error") or "fail"
        parallel = fields.integer("max_parallel")
        share = fields.number("min_success")
        if share is not None and policy != "collect":
            self.problems.at(mapping.keys["min_success"], "'min_success' goes with 'on_item_error: collect' only")
        if name is None:
            return self.scope.plus("index")
        self.values["foreach"] = ForeachSpec(
            items=items, as_=name, max_parallel=parallel,
            on_item_error="collect" if policy == "collect" else "fail", min_success=share,
        )  # fmt: skip
        return self.scope.plus(name, "index")

    def _items(self, fields: Fields) -> Any:
        node = self.draft.items = fields.require("items", "a list, or ${{ … }} that gives one")
        if node is None:
            return None
        if not isinstance(node, Scalar):
            if as_items(self.problems, node, "'items'") is None:
                return None
            return self.uses.template(node, self.scope, "'items'")
        if not isinstance(node.value, str) or "${{" not in node.value:
            self.problems.at(node, f"'items' must be a list, this is {kind_of(node)}", "write ${{ … }}")
            return None
        before = len(self.uses.all)
        self.uses.text(self.problems.text_of(node), self.scope, "'items'", wants="LIST")
        if not all(use.whole for use in self.uses.all[before:]):
            self.problems.at(node, "'items' must be a list, an expression with text around it gives text")
        return node.value

    def _item_name(self, fields: Fields) -> str | None:
        node = fields.require("as", "the name by which 'with' sees an item")
        if node is None:
            return None
        name = as_name(self.problems, node, "'as'", IDENTIFIER, IDENTIFIER_MEANS)
        if name is not None and (name in RESERVED or name in CEL_WORDS):
            self.problems.at(node, f"'{name}' has a meaning in expressions already", "choose another name")
            return None
        return name

    def _with(self) -> None:
        node = self.fields.node("with")
        mapping = as_mapping(self.problems, node, "'with'") if node is not None else None
        if mapping is not None:
            self.draft.with_node = mapping
            self.values["with_"] = self.uses.template(mapping, self.item_scope, "'with'")

    def _prompts(self) -> None:
        keys = frozenset(self.draft.with_node.entries if self.draft.with_node else ())
        names = self.item_scope.names | {"with"}
        scope = Scope(self.draft.id, names, with_keys=keys)
        if "prompt" not in self.fields:
            self._lacks("prompt", "text, or {file: prompts/x.md}")
        for key in ("prompt", "system"):
            text = self._prompt(key)
            if text is not None:
                self.uses.text(text, scope, f"'{key}'")
                self.values[key] = text.text

    def _prompt(self, key: str) -> LocatedText | None:
        node = self.fields.node(key)
        if isinstance(node, Mapping):
            fields = Fields(self.problems, node, f"'{key}'", known=PROMPT_FILE)
            file = fields.require("file")
            return None if file is None else self.reading.prompt_file(file)
        if node is None or as_text(self.problems, node, f"'{key}'") is None or not isinstance(node, Scalar):
            return None
        return self.problems.text_of(node)

    def _policy(self) -> None:
        layers = [
            *self.defaults.layers,
            read_policy_name(self.reading, self.fields),
            read_layer(self.problems, self.fields),
        ]
        self.values["retry"], self.values["timeout"] = join_layers(layers, self.draft.card)
        self._with_node("on_invalid", lambda node: read_on_invalid(self.reading, node, agent=self.agent))
        self._with_node(
            "on_error", lambda node: read_on_error(self.reading, self.uses, node, self.scope, agent=self.agent)
        )

    def _plain_fields(self) -> None:
        self._set("description", self.fields.text("description"))
        self._set("priority", self.fields.integer("priority"))
        self._with_node("validate", self._validators, "validators")
        if (needs := self.fields.node("needs")) is not None:
            self.draft.needs = read_needs(self.problems, needs)
        self._with_node("pool", lambda node: as_name(self.problems, node, "'pool'", POOL, POOL_MEANS))
        self._with_node("output", lambda node: read_schema(self.problems, node, "'output'"))
        self.draft.when = self.fields.node("when")
        self._with_node("when", lambda node: self.uses.condition(node, self.scope, "'when'"))
        self._with_node("idempotency_key", self._idempotency_key)
        self._with_node("secrets", self._secrets)

    def _validators(self, node: Node) -> tuple[ValidatorSpec, ...]:
        return read_validators(self.reading, self.uses, node, self.scope)

    def _idempotency_key(self, node: Node) -> str | None:
        if as_text(self.problems, node, "'idempotency_key'") is None or not isinstance(node, Scalar):
            return None
        self.uses.text(self.problems.text_of(node), self.item_scope, "'idempotency_key'")
        return node.text

    def _secrets(self, node: Node) -> tuple[str, ...]:
        items = as_items(self.problems, node, "'secrets'", "write [API_KEY]") or ()
        names = []
        for item in items:
            name = as_name(self.problems, item, "a secret", IDENTIFIER, IDENTIFIER_MEANS)
            if name is not None and name not in self.reading.secrets:
                hint = suggest(name, self.reading.secrets) or f"write secrets: [{name}] at the top"
                self.problems.at(item, f"secret '{name}' is not among the workflow's 'secrets'", hint)
            names.append(name)
        return tuple(name for name in names if name)
