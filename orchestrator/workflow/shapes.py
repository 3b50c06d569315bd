"""What is known of a value before anything runs: a JSON Schema and the document that its references point into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

COMBINED = frozenset({"allOf", "anyOf", "oneOf", "if", "not", "patternProperties", "$dynamicRef", "dependentSchemas"})
WRAPPED = "$shape"
"""A schema made here holds another shape under this key, because that one's references point elsewhere."""
REFERENCES = 16
DEEPEST = 12
KIND_WORDS = {
    "string": "text", "integer": "a number", "number": "a number", "boolean": "true or false", "array": "a list",
    "object": "a mapping", "null": "null",
}  # fmt: skip
VALUE_KINDS: dict[type, str] = {
    str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON Schema; `root` is what its `$ref` point into."""

    schema: Mapping[str, Any]
    root: Mapping[str, Any] = field(default_factory=dict)

    def sub(self, schema: Any) -> Shape | None:
        """A schema of the same document."""
        return Shape(schema, self.root).resolved() if isinstance(schema, Mapping) else None

    def resolved(self) -> Shape | None:
        """The shape behind references; None where that leads nowhere, or says nothing."""
        shape = self
        for _ in range(REFERENCES):
            if WRAPPED in shape.schema:
                shape = shape.schema[WRAPPED]
            elif "$ref" in shape.schema:
                target = _target(str(shape.schema["$ref"]), shape.root)
                if target is None:
                    return None
                shape = Shape(target, shape.root)
            else:
                return shape if shape.schema else None
        return None

    @property
    def kinds(self) -> frozenset[str]:
        """The JSON types that it may have; empty where that is not known."""
        schema = self.schema
        if "enum" in schema or "const" in schema:
            values = schema.get("enum", [schema.get("const")])
            return frozenset(VALUE_KINDS.get(type(value), "null") for value in values)
        if "type" in schema:
            kinds = schema["type"]
            return frozenset([kinds] if isinstance(kinds, str) else kinds)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                branches = [self.sub(branch) for branch in schema[key]]
                known = [branch.kinds for branch in branches if branch is not None and branch.kinds]
                return frozenset().union(*known) if len(known) == len(schema[key]) else frozenset()
        return frozenset()

    @property
    def plain(self) -> bool:
        """Whether the schema says what it says without alternatives."""
        return not COMBINED & self.schema.keys()

    @property
    def fields(self) -> list[str] | None:
        """The properties that it lists, None where it may have others."""
        schema = self.schema
        if not self.plain or "properties" not in schema or schema.get("additionalProperties", False) is not False:
            return None
        return list(schema["properties"])

    def at(self, name: str) -> Shape | None:
        """One property."""
        return self.sub(self.schema.get("properties", {}).get(name)) if self.plain else None

    @property
    def items(self) -> Shape | None:
        """What every item of the list is."""
        return self.sub(self.schema.get("items")) if self.plain and "prefixItems" not in self.schema else None


def of_kind(*kinds: str) -> Shape:
    """A shape of which only the types are known."""
    return Shape({"type": list(kinds)})


def list_of(item: Shape | None) -> Shape:
    """A list of such items."""
    return Shape({"type": "array", **({"items": {WRAPPED: item}} if item else {})})


def object_of(properties: Mapping[str, Shape | None]) -> Shape:
    """An object with exactly these properties; of some the shape may not be known."""
    below = {name: {WRAPPED: shape} if shape else {} for name, shape in properties.items()}
    return Shape({"type": "object", "properties": below, "required": list(below)})


def of_value(value: Any) -> Shape | None:
    """The shape of a literal."""
    if isinstance(value, list):
        return list_of(None)
    if isinstance(value, dict):
        return object_of({str(name): of_value(below) for name, below in value.items()})
    return Shape({"const": value})


def either(one: Shape | None, other: Shape | None) -> Shape | None:
    """One or the other: only the types are kept."""
    if one is None or other is None or not one.kinds or not other.kinds:
        return None
    return of_kind(*sorted(one.kinds | other.kinds))


def as_schema(shape: Shape | None, depth: int = 0) -> dict[str, Any]:
    """A JSON Schema that says what is known of a shape, and points nowhere."""
    shape = shape and shape.resolved()
    if shape is None or depth > DEEPEST:
        return {}
    plain = {key: shape.schema[key] for key in ("enum", "const") if key in shape.schema}
    if plain or not shape.kinds:
        return plain
    schema: dict[str, Any] = {"type": sorted(shape.kinds) if len(shape.kinds) > 1 else next(iter(shape.kinds))}
    if shape.kinds == {"object"} and shape.plain and "properties" in shape.schema:
        names = shape.schema["properties"]
        schema["properties"] = {name: as_schema(shape.at(name), depth + 1) for name in names}
        schema["required"] = list(shape.schema.get("required", ()))
        if shape.fields is not None:
            schema["additionalProperties"] = False
    if shape.kinds == {"array"} and shape.items is not None:
        schema["items"] = as_schema(shape.items, depth + 1)
    return schema


def broad(kinds: Iterable[str]) -> frozenset[str]:
    """Types with all numbers as one, because JSON does not tell 1 from 1.0."""
    return frozenset("number" if kind == "integer" else kind for kind in kinds)


def words(kinds: Iterable[str]) -> str:
    """Types as people call them."""
    return " or ".join(dict.fromkeys(KIND_WORDS.get(kind, kind) for kind in sorted(kinds))) or "unknown"


def conflict(source: Shape | None, target: Shape | None, name: str) -> str:
    """Why what `source` gives cannot be what `target` takes; empty if it can. `name` is what messages call it."""
    return _conflict(source, target, name, {}, 0)


Compared = dict[tuple[int, int], tuple[Any, Any]]
"""Pairs of schemas by their identity; held, so that no identity is used again."""


def _conflict(source: Shape | None, target: Shape | None, name: str, compared: Compared, depth: int) -> str:
    source, target = source and source.resolved(), target and target.resolved()
    if source is None or target is None or depth > DEEPEST:
        return ""
    pair = (id(source.schema), id(target.schema))
    if pair in compared:
        return ""
    compared[pair] = (source.schema, target.schema)
    have, want = source.kinds, target.kinds
    if have and want and not broad(have) & broad(want):
        return f"'{name}' must be {words(want)}, this gives {words(have)}"
    if have == want == {"array"}:
        return _conflict(source.items, target.items, f"{name}[]", compared, depth + 1)
    if have == want == {"object"} and target.plain:
        return _object_conflict(source, target, name, compared, depth)
    return ""


def _object_conflict(source: Shape, target: Shape, name: str, compared: Compared, depth: int) -> str:
    known = source.fields
    for below in target.schema.get("required", ()):
        if known is not None and below not in known:
            return f"'{name}' needs '{below}', which this does not have"
    found = (_conflict(source.at(key), target.at(key), f"{name}.{key}", compared, depth + 1) for key in known or ())
    return next(filter(None, found), "")


def _target(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any] | None:
    target: Any = root
    for part in reference.split("/")[1:] if reference.startswith("#") else ["?"]:
        key = part.replace("~1", "/").replace("~0", "~")
        target = target.get(key) if isinstance(target, Mapping) else None
    return target if isinstance(target, Mapping) else None
