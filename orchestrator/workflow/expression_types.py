"""What an expression gives, as far as schemas tell, and the mistakes that only schemas can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.workflow.cel_tokens import MACROS
from orchestrator.workflow.cel_tree import Tree
from orchestrator.workflow.shapes import (
    Shape,
    broad,
    either,
    list_of,
    object_of,
    of_kind,
    of_value,
    words,
)  # fmt: skip
from orchestrator.workflow.suggestions import suggest

Note = Callable[[int, str, str], None]
"""Takes a place in the expression (from 0), a message and a suggestion."""
Names = Mapping[str, Shape | None]
StepShape = Callable[[str, str], Shape | None]
"""The shape of `steps.NAME.ATTRIBUTE`."""

RESULTS = {
    **dict.fromkeys(("size", "int", "indexOf", "lastIndexOf"), "integer"),
    "double": "number",
    **dict.fromkeys(("string", "join", "lowerAscii", "upperAscii", "trim", "replace", "substring", "charAt"), "string"),
    **dict.fromkeys(("has", "bool", "contains", "startsWith", "endsWith", "matches"), "boolean"),
}
TRUTHS = frozenset({"&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "in"})
WORDS = {"true": True, "false": False, "null": None}
LITERALS: dict[str, Callable[[str], Shape | None]] = {
    "string": lambda text: Shape({"const": text}),
    "text": lambda _: of_kind("string"),
    "number": lambda text: of_kind("integer" if text.isdecimal() else "number"),
    "word": lambda text: of_value(WORDS[text]),
}
TYPE_NAMES = {"string": "string", "number": "number", "boolean": "bool", "array": "list", "object": "map"}


class ExpressionTypes:
    """Works out one expression. Give it no `note` to be silent."""

    def __init__(self, steps: StepShape, note: Note | None = None) -> None:
        self.steps = steps
        self.note = note
        self.tested: set[tuple[str, ...]] = set()

    def shape(self, tree: Tree, names: Names) -> Shape | None:
        """What the expression gives, None where that is not known."""
        self._collect_tests(tree)
        return self._of(tree, names)

    def _say(self, start: int, message: str, suggestion: str = "") -> None:
        if self.note is not None:
            self.note(start, message, suggestion)

    def _collect_tests(self, tree: Tree) -> None:
        """Remember the fields that `has(…)` asks for: they may be missing."""
        if tree.kind == "call" and tree.text == "has":
            self.tested.update(filter(None, map(path_of, tree.below)))
        for below in tree.below:
            self._collect_tests(below)

    def _of(self, tree: Tree, names: Names) -> Shape | None:
        if tree.kind in LITERALS:
            return LITERALS[tree.kind](tree.text)
        if tree.kind == "name":
            return names.get(tree.text)
        if tree.kind == "field":
            return self._field(tree, names)
        if tree.kind == "operator":
            return self._operator(tree, names)
        return self._call(tree, names) if tree.kind in ("method", "call") else self._collection(tree, names)

    def _field(self, tree: Tree, names: Names) -> Shape | None:
        path = path_of(tree)
        if path and path[0] == "steps" and "steps" not in names and len(path) <= 3:
            return self.steps(path[1], path[2]) if len(path) == 3 else None
        shape = self._of(tree.below[0], names)
        if shape is None or (shape := shape.resolved()) is None:
            return None
        kinds, what = shape.kinds, _called(tree.below[0])
        if kinds and not kinds & {"object", "null"}:
            self._say(tree.start, f"{what} is {words(kinds)}, it has no '{tree.text[:60]}'")
            return None
        known = shape.fields
        if known is not None and tree.text not in known and path not in self.tested:
            self._say(tree.start, f"{what} has no '{tree.text[:60]}'", suggest(tree.text, known))
        return shape.at(tree.text)

    def _operator(self, tree: Tree, names: Names) -> Shape | None:
        below = [self._of(part, names) for part in tree.below]
        if tree.text == "?":
            return either(below[1], below[2])
        if tree.text == "in":
            self._never(below[0], _members(tree.below[1]))
        elif len(below) == 2 and tree.text not in ("&&", "||"):
            self._agree(tree, below[0], below[1])
        if tree.text in TRUTHS:
            return of_kind("boolean")
        kinds = {kind for shape in below for kind in (shape.kinds if shape else ("",))}
        return of_kind(*kinds) if len(kinds) == 1 and "" not in kinds else None

    def _agree(self, tree: Tree, one: Shape | None, other: Shape | None) -> None:
        """Note operands that can never go together."""
        if tree.text in ("==", "!="):
            self._never(one, [tree.below[1]])
            self._never(other, [tree.below[0]])
        have, want = _operand(one), _operand(other)
        if have is None or want is None or have == want:
            return
        if tree.text in ("==", "!="):
            if "null" not in (have, want):
                self._say(tree.start, f"these are never equal: {words([have])} and {words([want])}")
        else:
            names = " and ".join(TYPE_NAMES.get(kind, kind) for kind in (have, want))
            self._say(tree.start, f"'{tree.text}' does not take {names}")

    def _never(self, shape: Shape | None, literals: list[Tree]) -> None:
        """Note text that a value with known alternatives never is."""
        shape = shape and shape.resolved()
        known = shape.schema.get("enum") if shape else None
        if not isinstance(known, list):
            return
        for literal in literals:
            if literal.kind == "string" and literal.text not in known:
                options = [value for value in known if isinstance(value, str)]
                self._say(literal.start, f"it is never '{literal.text[:60]}'", suggest(literal.text, options))

    def _call(self, tree: Tree, names: Names) -> Shape | None:
        if tree.kind == "method" and tree.text in MACROS and len(tree.below) >= 3 and tree.below[1].kind == "name":
            return self._macro(tree, names)
        if tree.kind == "call" and tree.text == "has":
            for part in tree.below:
                for base in part.below[:1]:
                    self._of(base, names)
            return of_kind("boolean")
        for part in tree.below:
            self._of(part, names)
        if tree.text == "split":
            return list_of(of_kind("string"))
        return of_kind(RESULTS[tree.text]) if tree.text in RESULTS else None

    def _macro(self, tree: Tree, names: Names) -> Shape | None:
        base = self._of(tree.below[0], names)
        base = base and base.resolved()
        item = None
        if base is not None and base.kinds == {"array"}:
            item = base.items
        elif base is not None and base.kinds == {"object"}:
            item = of_kind("string")
        elif base is not None and base.kinds and not base.kinds & {"array", "object", "null"}:
            self._say(tree.start, f"{_called(tree.below[0])} is {words(base.kinds)}, '{tree.text}' takes a list")
        inner = {**names, tree.below[1].text: item}
        results = [self._of(part, inner) for part in tree.below[2:]]
        if tree.text == "filter":
            return base
        return list_of(results[-1]) if tree.text == "map" else of_kind("boolean")

    def _collection(self, tree: Tree, names: Names) -> Shape | None:
        below = [self._of(part, names) for part in tree.below]
        if tree.kind == "index":
            base = below[0].resolved() if below[0] else None
            return base.items if base is not None and base.kinds == {"array"} else None
        if tree.kind == "list":
            kinds = {shape.kinds if shape else frozenset() for shape in below}
            return list_of(of_kind(*next(iter(kinds))) if len(kinds) == 1 and frozenset() not in kinds else None)
        keys = tree.below[::2]
        if all(key.kind == "string" for key in keys):
            return object_of({key.text: shape for key, shape in zip(keys, below[1::2], strict=True)})
        return of_kind("object")


def path_of(tree: Tree) -> tuple[str, ...] | None:
    """The names of a plain path such as `steps.a.output`; None for anything else."""
    names: list[str] = []
    while tree.kind == "field":
        names.append(tree.text)
        tree = tree.below[0]
    return (tree.text, *reversed(names)) if tree.kind == "name" else None


def _called(tree: Tree) -> str:
    """What messages call a part of an expression."""
    path = path_of(tree)
    if path is not None and len(path) == 3 and path[0] == "steps" and path[2] == "output":
        return f"the output of step '{path[1]}'"
    return f"'{'.'.join(path)[:80]}'" if path else "this"


def _operand(shape: Shape | None) -> str | None:
    """The one type of an operand, null apart; None where there may be several."""
    kinds = broad(shape.kinds) if shape else frozenset()
    return next(iter(kinds)) if len(kinds) == 1 else None


def _members(tree: Tree) -> list[Tree]:
    return list(tree.below) if tree.kind == "list" else []
