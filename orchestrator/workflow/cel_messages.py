"""CEL's own error texts, said for people."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestrator.workflow.suggestions import suggest

PLACE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): ([^\n]*)")
STATUS = re.compile(r"^[A-Z_]+: ")
TYPE_NAMES = {"int64": "int", "uint64": "uint", "null_type": "null"}
MIXED = "CEL does not mix int and double: write double(x), or a literal like 1.0"
FUNCTIONS = (
    "all", "bool", "bytes", "charAt", "contains", "double", "duration", "endsWith", "exists", "exists_one", "filter",
    "format", "has", "indexOf", "int", "join", "lastIndexOf", "lowerAscii", "map", "matches", "quote", "replace",
    "reverse", "size", "split", "startsWith", "string", "substring", "timestamp", "trim", "type", "upperAscii",
)  # fmt: skip
ELSEWHERE = {
    "len": "size", "length": "size", "count": "size", "str": "string", "float": "double", "number": "double",
    "lower": "lowerAscii", "upper": "upperAscii", "strip": "trim", "any": "exists", "includes": "contains",
}  # fmt: skip
UNKNOWN = re.compile(r"unknown name or function '(\w+)'$")
WORDS = {
    "and": "write &&",
    "or": "write ||",
    "not": "write !",
    "is": "write ==",
    "=": "write ==",
    "&": "write &&",
    "|": "write ||",
}


def compile_message(raw: str) -> tuple[str, int, int]:
    """The first mistake of a failed compilation: what it is, its line and its column (from 1; 0 if not known)."""
    found = PLACE.search(raw)
    if found is None:
        return _say(STATUS.sub("", raw.splitlines()[0])), 0, 0
    line, column = int(found.group(1)), int(found.group(2))
    text = found.group(3).removesuffix(" [INVALID_ARGUMENT]")
    return _say(text), max(line, 0), max(column, 0)


def evaluation_message(raw: str) -> str:
    """What a failed evaluation says."""
    return _say(STATUS.sub("", raw.splitlines()[0] if raw else "failed"))


def function_hint(message: str) -> str:
    """For a message about an unknown function: the one that was likely meant."""
    found = UNKNOWN.match(message)
    if found is None:
        return ""
    hint = suggest(ELSEWHERE.get(found.group(1), found.group(1)), FUNCTIONS)
    return hint if hint.startswith("did") else ""


def _say(text: str) -> str:
    for pattern, words in SAYINGS:
        if found := pattern.search(text):
            return words(found)
    return text


def _overload(found: re.Match[str]) -> str:
    names = [TYPE_NAMES.get(name, name) for name in re.split(r",\s*", found.group(2).strip("()"))]
    operator = found.group(1).replace("_", "").replace("@", "")
    if found.group(1) == "_?_:_" and len(names) == 3 and names[0] in ("bool", "dyn"):
        return f"both sides of ':' must be of one type, these are {names[1]} and {names[2]}"
    if operator in ("<jump_condition>", "?:"):
        return "a condition is neither true nor false"
    message = f"'{operator}' does not take {' and '.join(names) or 'what it is given'}"
    return f"{message}; {MIXED}" if {"int", "double"} <= set(names) else message


def _unexpected(found: re.Match[str]) -> str:
    text = found.group(1).strip()
    if text == "<EOF>":
        return "the expression ends too early"
    if len(text) > 1 and text[0] in "\"'" and text[-1] != text[0]:
        return "a string is not closed"
    hint = WORDS.get(text)
    return f"unexpected '{text}'" + (f"; {hint}" if hint else "")


def _overload_at_run(found: re.Match[str]) -> str:
    if found.group(2) is None:
        name = found.group(1).strip().strip("_")
        condition = name in ("<jump_condition>", "&&", "||", "!")
        return "a condition is neither true nor false" if condition else f"'{name}' cannot be used on this"
    return _overload(found)


def _short(name: str) -> str:
    """A CEL type without what it holds: `list(int)` is `list`."""
    return TYPE_NAMES.get(name, name).split("(", maxsplit=1)[0]


Saying = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
SAYINGS: tuple[Saying, ...] = (
    (re.compile(r"recursion (?:depth|limit)"), lambda _: "the expression is nested too deeply (at most 32 levels)"),
    (re.compile(r"(?:mismatched|extraneous) input '(.+?)' expecting"), _unexpected),
    (re.compile(r"missing '(.+?)' at"), lambda found: f"'{found.group(1)}' is missing"),
    (re.compile(r"token recognition error at: '(.+)'$"), _unexpected),
    (re.compile(r"no viable alternative at input '(.+)'$"), _unexpected),
    (re.compile(r"[Kk]ey not found in map : \"?(.*?)\"?$"), lambda found: f"there is no field '{found.group(1)}'"),
    (re.compile(r"No value with name \"(.+?)\""), lambda found: f"unknown name '{found.group(1)}'"),
    (
        re.compile(r"undeclared reference to '(.+?)'"),
        lambda found: f"unknown name or function '{found.group(1).split('.')[0]}'",
    ),
    (re.compile(r"found no matching overload for '(.+?)' applied to '(.+?)'$"), _overload),
    (re.compile(r"No matching overloads found : ([^(]+)(\(.*\))?(?:\[.*)?$"), _overload_at_run),
    (
        re.compile(r"expression of type '(.+?)' cannot be the operand of a select"),
        lambda found: f"a field is read from {_short(found.group(1))}, which has none",
    ),
    (
        re.compile(r"expression of type '(.+?)' cannot be the range of a comprehension"),
        lambda found: f"a macro goes over a list or a map, this is {_short(found.group(1))}",
    ),
    (re.compile(r"invalid argument to has|has\(\) argument"), lambda _: "has takes a field, as in has(inputs.x.y)"),
    (re.compile(r"reserved identifier: (\w+)"), lambda found: f"'{found.group(1)}' is a reserved word of CEL"),
    (re.compile(r"Applying SELECT to non-message type"), lambda _: "a field is read from something that has no fields"),
    (re.compile(r"Iteration budget exceeded"), lambda _: "the expression loops too often"),
)
