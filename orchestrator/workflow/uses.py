"""The expressions of a file as they are read: which text, where, and what it may see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_tokens import paths
from orchestrator.workflow.cel_tree import Tree
from orchestrator.workflow.problems import LocatedText, Problems
from orchestrator.workflow.templates import template_of
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, Sequence, json_of, kind_of

EVERYWHERE = frozenset({"inputs", "steps", "run"})
RUN_FIELDS = ("id", "tenant", "workflow", "version")
STEP_FIELDS = ("output", "status", "error")


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may see.

    Attributes:
        step: whose expression it is, None for the workflow's outputs.
        names: the variables besides `inputs`, `steps` and `run`.
        with_keys: the fields of `with`, where it may be seen and all of them are known.
        ending: whether it stands in `finally`, when all of `steps` have settled.
    """

    step: str | None = None
    names: frozenset[str] = frozenset()
    with_keys: frozenset[str] | None = None
    ending: bool = False

    @property
    def run_fields(self) -> tuple[str, ...]:
        """The fields of `run`."""
        return (*RUN_FIELDS, "status") if self.ending else RUN_FIELDS

    def plus(self, *names: str) -> Scope:
        """The same with more variables."""
        return replace(self, names=self.names | set(names))


@dataclass(frozen=True, slots=True)
class Use:
    """One expression at its place.

    `wants` is the CEL type that its value must have, or an empty string; `whole` is False where text surrounds it;
    `shared` says that it belongs to a named validator, which several steps may call.
    """

    expression: str
    text: LocatedText
    start: int
    scope: Scope
    what: str
    wants: str = ""
    whole: bool = True
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """An expression that CEL has compiled, as a tree."""

    use: Use
    tree: Tree


class Uses:
    """Collects the expressions of one step, or of the outputs."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.all: list[Use] = []

    def condition(self, node: Node, scope: Scope, what: str) -> str | None:
        """Bare CEL that is true or false."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return "true" if node.value else "false"
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            self.problems.at(node, f"{what} must be an expression, this is {kind_of(node)}")
            return None
        if "${{" in node.value:
            self.problems.at(node, f"{what} takes a bare expression", "leave out ${{ }}")
            return None
        self.all.append(Use(node.value, self.problems.text_of(node), 0, scope, what, wants="BOOL"))
        return node.value

    def template(self, node: Node, scope: Scope, what: str) -> Any:
        """A JSON value whose strings may hold `${{ }}`; its expressions are collected."""
        for scalar in scalars(node):
            if isinstance(scalar.value, str) and "${{" in scalar.value:
                self.text(self.problems.text_of(scalar), scope, what)
        return json_of(node)

    def text(self, text: LocatedText, scope: Scope, what: str, wants: str = "") -> None:
        """Collect the expressions of one located text."""
        try:
            parsed = template_of(text.text)
        except ExpressionError as error:
            self.problems.inside(text, max(error.column - 1, 0), error.message)
            return
        for hole in parsed.holes:
            whole = parsed.whole is not None
            self.all.append(Use(hole.expression, text, hole.start, scope, what, wants if whole else "", whole))


def references(uses: Iterable[Use]) -> list[tuple[str, str]]:
    """The `(step, attribute)` pairs that expressions read, in order, each once."""
    pairs = (
        (path.fields[0], path.fields[1] if len(path.fields) > 1 else "")
        for use in uses
        for path in paths(use.expression)
        if path.root == "steps" and path.fields
    )
    return list(dict.fromkeys(pairs))


def scalars(node: Node) -> Iterator[Scalar]:
    """Every scalar value below a node."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Mapping):
        for value in node.entries.values():
            yield from scalars(value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item)
