"""A step while it is read: what is known of it so far, and what its readers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.workflow.fields import Fields
from orchestrator.workflow.model import Workflow
from orchestrator.workflow.needs_reader import Needs
from orchestrator.workflow.policy_reader import Layer
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.signatures import Signature
from orchestrator.workflow.uses import Checked, Scope, Use, Uses
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar


@dataclass(slots=True)
class Defaults:
    """The workflow's `defaults`: layers of policy, the weakest first, and a model."""

    layers: list[Layer] = field(default_factory=list)
    model: Node | None = None


@dataclass(slots=True)
class StepDraft:
    """A step as written; `values` are the fields of its `StepSpec` that are known already.

    Attributes:
        scope: what all of its expressions see.
        checked: those of `uses` that are sound.
        signature: of what carries it out, None where that is not known.
        callee: the path that `uses` names.
        planning: the workflow that plans, and carries the plan out.
        hands_over: whether a person may take it over.
        exceeds: whether its `budget` says what happens once it is used up.
        with_node, again: `with`, and what `repeat` puts over it.
        place: where a mistake of the whole step is noted.
        items: what `foreach` goes over.
    """

    id: str
    key: Scalar
    scope: Scope
    values: dict[str, Any] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    needs: Needs = field(default_factory=dict)
    signature: Signature | None = None
    callee: Scalar | None = None
    planning: Workflow | None = None
    hands_over: bool = False
    exceeds: bool = False
    with_node: Mapping | None = None
    again: Mapping | None = None
    place: Node | None = None
    items: Node | None = None
    when: Node | None = None

    @property
    def with_keys(self) -> frozenset[str]:
        """The fields of the input in any iteration."""
        given = self.with_node.entries.keys() if self.with_node else frozenset()
        return self.later_keys | given

    @property
    def later_keys(self) -> frozenset[str]:
        """The fields of the input that are there from the second iteration on only."""
        given = self.with_node.entries.keys() if self.with_node else frozenset()
        return frozenset(self.again.entries.keys() - given) if self.again else frozenset()


@dataclass(slots=True)
class StepReading:
    """What the readers of one step share; `item_scope` is what expressions see that stand for one item."""

    reading: Reading
    draft: StepDraft
    fields: Fields
    defaults: Defaults
    uses: Uses
    item_scope: Scope

    @property
    def problems(self) -> Problems:
        """Where mistakes are noted."""
        return self.reading.problems

    @property
    def scope(self) -> Scope:
        """What all expressions of the step see."""
        return self.draft.scope

    @property
    def values(self) -> dict[str, Any]:
        """The fields of the `StepSpec`."""
        return self.draft.values

    def keep(self, name: str, value: Any) -> None:
        """Set a field, unless nothing was given or it was a mistake."""
        if value is not None:
            self.values[name] = value

    def needs(self, key: str, suggestion: str) -> None:
        """Note that a key is missing, unless it was just misspelt."""
        if self.fields.lacks(key):
            self.problems.at(self.draft.key, f"step '{self.draft.id}' needs '{key}'", suggestion)
