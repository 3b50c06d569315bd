"""The one small class over CEL: plain JSON in, plain JSON out, every trap of the library behind it.

Traps it hides: errors come back as values; only names that are used may be converted (all of `steps` costs 13 ms at
2,000 steps, the one step that is read 6 µs); a NUL cuts a string short; int and double do not mix in arithmetic.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped]
from cel_expr_python.ext import ext_strings  # type: ignore[import-untyped]

from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_messages import compile_message, evaluation_message
from orchestrator.workflow.cel_tokens import Path, paths
from orchestrator.workflow.templates import Template, template_of, text_of

CACHED = 4096
LONGEST = 16_000
BEFORE = {"(": re.compile(r"\w+\s*\Z"), ".": re.compile(r"[\w.]+\Z")}
Trie = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled expression: the parts of each variable that it reads (None is all), and its static type."""

    program: Any
    reads: dict[str, Trie | None]
    path: Path | None
    type_name: str


class Expressions:
    """Compiles, checks, evaluates and renders CEL. One instance may be shared by threads; its cache is bounded."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=CACHED)(_compile)
        self._checked = lru_cache(maxsize=CACHED)(_compile)

    def evaluate(self, expr: str, variables: Mapping[str, Any]) -> Any:
        """The value of a bare CEL expression as plain JSON; ints stay ints.

        Args:
            expr: CEL, without `${{ }}`.
            variables: plain JSON by name; those that the expression does not read are not looked at.

        Raises:
            ExpressionError: it does not compile, or CEL's value is an error or not JSON.
        """
        compiled = self._compiled(expr, None)
        if compiled.path is not None:
            found, value = _follow(compiled.path, variables)
            if found:
                return value
        data = {name: _narrow(variables[name], reads) for name, reads in compiled.reads.items() if name in variables}
        _refuse_nul(expr, data)
        try:
            result = compiled.program.eval(data=data)
            failed = result.type() == cel.Type.ERROR
            value = result.plain_value()
        except (RuntimeError, RecursionError) as error:
            raise ExpressionError(f"{evaluation_message(str(error))}, in `{expr}`", expression=expr) from error
        if failed:
            raise ExpressionError(f"{evaluation_message(value)}, in `{expr}`", expression=expr)
        return _plain(expr, value)

    def check(self, expr: str, names: Collection[str]) -> None:
        """Compile an expression that may read only `names`.

        Raises:
            ExpressionError: with the column of the first mistake.
        """
        self.result_type(expr, names)

    def result_type(self, expr: str, names: Collection[str]) -> str:
        """What `check` knows of the value: `BOOL`, `STRING`, `LIST<DYN>`, …; `DYN` where only running it tells.

        Raises:
            ExpressionError: with the column of the first mistake.
        """
        return self._checked(expr, frozenset(names)).type_name

    def render(self, template: Any, variables: Mapping[str, Any]) -> Any:
        """Fill in a template: a JSON value whose strings may hold `${{ CEL }}`.

        A string that is one whole `${{ }}` becomes the value with its type; embedded ones become text (strings as
        they are, other values as compact JSON). `$${{` stands for a literal `${{`.

        Raises:
            ExpressionError: as `evaluate`.
        """
        if isinstance(template, dict):
            return {key: self.render(value, variables) for key, value in template.items()}
        if isinstance(template, list | tuple):
            return [self.render(value, variables) for value in template]
        if not isinstance(template, str) or "${{" not in template:
            return template
        parsed = template_of(template)
        if parsed.whole is not None:
            return self.evaluate(parsed.whole, variables)
        return self._join(parsed, variables)

    def render_text(self, template: str, variables: Mapping[str, Any]) -> str:
        """Fill in a template whose value is always text, such as a prompt.

        Raises:
            ExpressionError: as `evaluate`.
        """
        return self._join(template_of(template), variables) if "${{" in template else template

    def references(self, template_or_expr: Any) -> set[tuple[str, str]]:
        """Which `(step, attribute)` pairs are read; the attribute is `` where the whole step is.

        A string with `${{` is a template, one without is a bare expression; a dict or list is a template.
        """
        if isinstance(template_or_expr, str) and "${{" not in template_or_expr:
            return step_references(template_or_expr)
        return {pair for expr in _expressions(template_or_expr) for pair in step_references(expr)}

    def _join(self, template: Template, variables: Mapping[str, Any]) -> str:
        return "".join(
            piece if isinstance(piece, str) else text_of(self.evaluate(piece.expression, variables))
            for piece in template.pieces
        )


def step_references(expr: str) -> set[tuple[str, str]]:
    """The `(step, attribute)` pairs that a bare expression reads."""
    return {
        (path.fields[0], path.fields[1] if len(path.fields) > 1 else "")
        for path in paths(expr)
        if path.root == "steps" and path.fields
    }


def _expressions(template: Any) -> list[str]:
    if isinstance(template, str):
        return template_of(template).expressions if "${{" in template else []
    if isinstance(template, dict):
        return [expr for value in template.values() for expr in _expressions(value)]
    if isinstance(template, list | tuple):
        return [expr for value in template for expr in _expressions(value)]
    return []


def _compile(expr: str, names: frozenset[str] | None) -> Compiled:
    if len(expr) > LONGEST:
        raise ExpressionError(f"an expression may have {LONGEST} characters at most", expression=expr, column=1)
    read = paths(expr)
    declared = {path.root for path in read} if names is None else names
    try:
        program = _environment(frozenset(declared)).compile(expr)
        type_name = str(program.return_type().name())
    except RuntimeError as error:
        message, line, column = compile_message(str(error))
        raise ExpressionError(
            message, expression=expr, column=_offset(expr, line, column, named=message.startswith("unknown name"))
        ) from error
    whole = read[0] if len(read) == 1 and read[0].whole else None
    return Compiled(program, _reads(read), whole, type_name)


@lru_cache(maxsize=1024)
def _environment(names: frozenset[str]) -> Any:
    variables = dict.fromkeys(names, cel.Type.DYN)
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


def _offset(expr: str, line: int, column: int, *, named: bool) -> int:
    """The place in the expression, counted from 1, of a line and column in it.

    Of an unknown name CEL gives the bracket or dot behind it; `named` asks for its beginning.
    """
    if line < 1 or column < 1:
        return 0
    at = sum(len(text) + 1 for text in expr.split("\n")[: line - 1]) + column
    before = BEFORE.get(expr[at - 1 : at]) if named else None
    name = before.search(expr, 0, at - 1) if before else None
    return at - len(name.group()) if name else at


def _reads(read: tuple[Path, ...]) -> dict[str, Trie | None]:
    """Which parts of each variable are read, as nested dicts that end in None for "all below here"."""
    tree: dict[str, Trie | None] = {}
    for path in read:
        level: dict[str, Any] = tree
        keys = (path.root, *path.fields)
        for key in keys[:-1]:
            if key in level and level[key] is None:
                break
            level = level.setdefault(key, {})
        else:
            level[keys[-1]] = None
    return tree


def _narrow(value: Any, reads: Trie | None) -> Any:
    if reads is None or not isinstance(value, dict):
        return value
    return {key: _narrow(value[key], below) for key, below in reads.items() if key in value}


def _follow(path: Path, variables: Mapping[str, Any]) -> tuple[bool, Any]:
    """The value at a plain path, without converting it to CEL and back; not found leaves the error to CEL."""
    value: Any = variables.get(path.root)
    if path.root not in variables:
        return False, None
    for part in path.parts:
        key = part.key
        known = isinstance(value, dict) and key in value
        if known or (isinstance(value, list) and isinstance(key, int) and key < len(value)):
            value = value[key]
        else:
            return False, None
    return True, value


def _refuse_nul(expr: str, data: dict[str, Any]) -> None:
    try:
        suspicious = "\\u0000" in json.dumps(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise ExpressionError(f"a variable is not plain JSON ({error}), in `{expr}`", expression=expr) from error
    if suspicious and _has_nul(data):
        message = f"a value holds a NUL character, which CEL would cut off, in `{expr}`"
        raise ExpressionError(message, expression=expr)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(below) for key, below in value.items())
    return isinstance(value, list | tuple) and any(map(_has_nul, value))


def _plain(expr: str, value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ExpressionError(f"the value is {value}, which JSON does not have, in `{expr}`", expression=expr)
    if isinstance(value, list):
        return [_plain(expr, below) for below in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(expr, below) for key, below in value.items()}
        raise ExpressionError(f"a map has keys that are not strings, in `{expr}`", expression=expr)
    kind = {"datetime": "a timestamp", "timedelta": "a duration", "bytearray": "bytes"}.get(
        type(value).__name__, "a type"
    )
    raise ExpressionError(f"the value is {kind}, not JSON; use string(…), in `{expr}`", expression=expr)
