"""`workflow.schema.json`, by which editors complete and check workflow files: `language.py` as JSON Schema.

Regenerate it with `python -m orchestrator.workflow.editor_schema`: it writes the packaged copy and, in this repository,
the one in `graphs/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.domain import rate
from orchestrator.workflow import language, schema_reader
from orchestrator.workflow.durations import FORM
from orchestrator.workflow.fields import NOT_NAMES
from orchestrator.workflow.language import KINDS, PROMPT_FILE, STEP, WORKFLOW, Key, Section, list_of, shared
from orchestrator.workflow.model import OUTCOMES
from orchestrator.workflow.reading import ID, IDENTIFIER, POOL

PACKAGED = Path(__file__).with_name("workflow.schema.json")
SECTIONS = {
    "backoff": language.BACKOFF,
    "retry": language.RETRY,
    "timeout": language.TIMEOUT,
    "policy": language.POLICY,
    "model": language.MODEL,
    "defaults": language.DEFAULTS,
    "judge": language.JUDGE,
    "validator": language.CHECK,
    "step_validator_body": language.STEP_CHECK,
    "remedy": language.REMEDY,
    "rule": language.RULE,
    "foreach": language.FOREACH,
    "repeat": language.REPEAT,
    "budget": language.BUDGET,
    "expires": language.EXPIRES,
    "run_timeout": language.RUN_TIMEOUT,
    "prompt_file": PROMPT_FILE,
}
Schema = dict[str, Any]


def editor_schema() -> Schema:
    """The JSON Schema (2020-12) of workflow files. It allows a little more than the loader, never less."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A workflow ({language.API})",
        **_section(WORKFLOW),
        "$defs": {**_types(), **{name: _section(section) for name, section in SECTIONS.items()}, "step": _step()},
    }


def rendered() -> str:
    """The schema's file."""
    return json.dumps(editor_schema(), indent=1, ensure_ascii=False) + "\n"


def _section(section: Section) -> Schema:
    """A mapping with the section's keys and no others."""
    schema: Schema = {
        "type": "object",
        "properties": {name: {**key.takes, "description": key.says} for name, key in section.keys.items()},
        "additionalProperties": False,
    }
    required = [name for name, key in section.keys.items() if key.required]
    if required:
        schema["required"] = required
    if section.rules:
        schema["allOf"] = [dict(rule) for rule in section.rules]
    return schema


def _step() -> Schema:
    """A step: the keys of all kinds for completion, then for each kind what it needs and what it does not take.

    Where kinds take different values for a key, the first kind's are the widest.
    """
    kinds = {"kind": {**language.one_of(*KINDS), "description": STEP.keys["kind"].says}}
    every: dict[str, Key] = {}
    for section in KINDS.values():
        every = {**section.keys, **every}
    schema = _section(Section({**STEP.keys, **every}, rules=STEP.rules))
    schema["properties"].update(kinds)
    schema["required"] = ["kind"]
    schema["allOf"] += [_kind(kind, section, every) for kind, section in KINDS.items()]
    return schema


def _kind(kind: str, section: Section, every: Iterable[str]) -> Schema:
    own = _section(section)
    foreign = {name: False for name in every if name not in section}
    return {
        "if": {"required": ["kind"], "properties": {"kind": {"const": kind}}},
        "then": {
            "properties": {**own["properties"], **foreign},
            "required": own.get("required", []),
            **({"allOf": own["allOf"]} if "allOf" in own else {}),
        },
    }


def _types() -> Schema:
    """The types that several keys share."""
    text = {"type": "string", "pattern": r"\S"}
    return {
        "text": text,
        "id": _name(ID.pattern),
        "identifier": _name(IDENTIFIER.pattern),
        "pool": _name(POOL.pattern),
        "label": {"minLength": 1},
        "condition": {"anyOf": [{"type": "boolean"}, {**text, "not": {"pattern": r"\$\{\{"}}]},
        "duration": {
            "anyOf": [
                {"type": "string", "pattern": f"^(?=.){FORM.pattern}$"},
                {"type": "number", "exclusiveMinimum": 0},
            ]
        },
        "rate": {"type": "string", "pattern": f"^{rate.FORM.pattern}$"},
        "timeouts": {"anyOf": [shared("duration"), shared("timeout")]},
        "prompt": {"anyOf": [text, shared("prompt_file")]},
        "items": {"anyOf": [{"type": "array"}, {"type": "string", "pattern": r"\$\{\{"}]},
        "needs": {
            "anyOf": [
                list_of(shared("id")),
                language.by_name({**list_of({"enum": list(OUTCOMES)}), "minItems": 1}),
            ]
        },
        "step_validator": {"anyOf": [shared("id"), shared("step_validator_body")]},
        "schema": _json_schema(),
    }


def _name(pattern: str) -> Schema:
    words = sorted({form for word in NOT_NAMES for form in (word, word.title(), word.upper())})
    return {"type": "string", "pattern": f"^{pattern}$", "not": {"enum": words}}


def _json_schema() -> Schema:
    """A JSON Schema as a workflow may hold it, from the keywords that its reader knows."""
    schema = {"anyOf": [{"type": "boolean"}, shared("schema")]}
    kinds = {"enum": list(schema_reader.TYPES)}
    families: tuple[tuple[Iterable[str], Schema], ...] = (
        (schema_reader.SCHEMAS, schema),
        (schema_reader.LISTS, {"type": "array", "items": schema}),
        (schema_reader.MAPS, {"type": "object", "additionalProperties": schema}),
        (schema_reader.COUNTS, {"type": "integer", "minimum": 0}),
        (schema_reader.NUMBERS, {"type": "number"}),
        (schema_reader.TEXTS, {"type": "string"}),
        (schema_reader.FLAGS, {"type": "boolean"}),
    )
    keywords: Mapping[str, Any] = {
        **{name: takes for names, takes in families for name in names},
        "$ref": {"type": "string", "pattern": "^#"},
        "dependentRequired": {"type": "object", "additionalProperties": list_of({"type": "string"})},
        "enum": {"type": "array", "minItems": 1},
        "examples": {"type": "array", "minItems": 1},
        "pattern": {"type": "string"},
        "required": list_of({"type": "string"}),
        "type": {"anyOf": [kinds, list_of(kinds)]},
    }
    return {
        "type": "object",
        "properties": {name: keywords.get(name, {}) for name in schema_reader.KEYWORDS},
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


def main() -> None:
    """Write both copies."""
    graphs = PACKAGED.parents[2] / "graphs"
    for path in [PACKAGED, *([graphs / PACKAGED.name] if graphs.is_dir() else [])]:
        path.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
