"""Bounds that the local model's grammar cannot hold are lowered or left out; all else stays."""

from orchestrator.llm.grammar import enforceable

SCHEMA = {
    "type": "object",
    "properties": {
        "maxItems": {"type": "array", "maxItems": 9_000, "minItems": 1, "items": {"type": "string", "maxLength": 80}},
        "text": {"type": "string", "minLength": 4_000, "maxLength": 9_000},
        "fixed": {"const": {"maxLength": 9_000}},
    },
    "anyOf": [{"minItems": 600}, True],
}


def test_bounds():
    assert enforceable(SCHEMA) == {
        "type": "object",
        "properties": {
            "maxItems": {"type": "array", "maxItems": 500, "minItems": 1, "items": {"type": "string", "maxLength": 80}},
            "text": {"type": "string", "maxLength": 2_000},
            "fixed": {"const": {"maxLength": 9_000}},
        },
        "anyOf": [{}, True],
    }
    assert SCHEMA["properties"]["text"]["minLength"] == 4_000


def test_response_formats_keep_their_other_parts():
    whole = {"type": "json_schema", "json_schema": {"name": "x", "strict": False, "schema": {"maxItems": 501}}}
    assert enforceable(whole)["json_schema"] == {"name": "x", "strict": False, "schema": {"maxItems": 500}}
