"""What tests of `steps.X.status` prove: the outcomes that a step may have where an expression reads its output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.workflow.cel_tree import Tree
from orchestrator.workflow.expression_types import path_of
from orchestrator.workflow.model import OUTCOMES

ANY = frozenset(OUTCOMES)
ENDINGS = (*OUTCOMES, "cancelled")
"""What a step can have become when `finally` begins."""

Known = Mapping[str, frozenset[str]]
"""For some steps the outcomes that are still possible; for all others any is."""


@dataclass(frozen=True, slots=True)
class Read:
    """`steps.NAME.output…` in an expression, and what is known where it stands."""

    step: str
    path: str
    start: int
    known: Known


def reads(tree: Tree, known: Known) -> Iterator[Read]:
    """Every output that an expression reads, with what the tests that dominate it prove."""
    if tree.kind == "operator" and tree.text in ("&&", "||"):
        for term in tree.below:
            yield from reads(term, known)
            known = proved(term, known, truth=tree.text == "&&")
    elif tree.kind == "operator" and tree.text == "?":
        test, yes, no = tree.below
        yield from reads(test, known)
        yield from reads(yes, proved(test, known, truth=True))
        yield from reads(no, proved(test, known, truth=False))
    elif (path := path_of(tree)) and len(path) > 2 and (path[0], path[2]) == ("steps", "output"):
        yield Read(path[1], ".".join(path), _begin(tree), known)
    else:
        for below in tree.below:
            yield from reads(below, known)


def proved(tree: Tree, known: Known, *, truth: bool) -> Known:
    """What is known once an expression turned out true, or false."""
    if tree.kind != "operator":
        return known
    if tree.text == "!":
        return proved(tree.below[0], known, truth=not truth)
    if tree.text in ("&&", "||"):
        if truth == (tree.text == "&&"):
            for term in tree.below:
                known = proved(term, known, truth=truth)
            return known
        return _any_of([proved(term, known, truth=truth) for term in tree.below])
    return _tested(tree, known, truth=truth)


def narrow(known: Known, step: str, outcomes: Iterable[str]) -> Known:
    """The same, with one step's outcomes cut down."""
    return {**known, step: known.get(step, ANY) & frozenset(outcomes)}


def _tested(tree: Tree, known: Known, *, truth: bool) -> Known:
    """A comparison of a status with words, either way round."""
    if tree.text not in ("==", "!=", "in") or len(tree.below) != 2:
        return known
    left, right = tree.below
    if tree.text != "in" and left.kind == "string":
        left, right = right, left
    path = path_of(left)
    words = right.below if tree.text == "in" and right.kind == "list" else (right,)
    if path is None or len(path) != 3 or (path[0], path[2]) != ("steps", "status"):
        return known
    if any(word.kind != "string" for word in words):
        return known
    said = frozenset(word.text for word in words)
    holds = truth != (tree.text == "!=")
    return narrow(known, path[1], said if holds else frozenset(ENDINGS) - said)


def _any_of(several: list[Known]) -> Known:
    """What holds whichever of several holds."""
    first, *others = several
    return {
        step: outcomes.union(*(other[step] for other in others))
        for step, outcomes in first.items()
        if all(step in other for other in others)
    }


def _begin(tree: Tree) -> int:
    while tree.below:
        tree = tree.below[0]
    return tree.start
