"""The inputs of a run: defaults filled in, every bad field named."""

from __future__ import annotations

import pytest

from orchestrator.errors import InputsInvalid
from orchestrator.workflow import Workflow

WORKFLOW = Workflow.from_yaml("""\
api: orchestrator/v1
name: brief
inputs:
  topic: {type: string, minLength: 3, description: what to write about}
  limit: {type: integer, default: 8, maximum: 50}
  tags: {type: array, items: {enum: [a, b]}, default: []}
steps:
  a: {kind: worker, worker: x}
""")


def test_defaults_are_filled_in_and_never_shared():
    first = WORKFLOW.check_inputs({"topic": "cells"})
    assert first == {"topic": "cells", "limit": 8, "tags": []}
    first["tags"].append("a")
    assert WORKFLOW.check_inputs({"topic": "cells"})["tags"] == []


def test_every_bad_field_is_named_at_once():
    with pytest.raises(InputsInvalid) as caught:
        WORKFLOW.check_inputs({"topik": "x", "limit": "many", "tags": ["a", "c"]})
    assert str(caught.value).splitlines() == [
        "the inputs do not fit workflow 'brief':",
        "  unknown input 'topik' (did you mean 'topic'?)",
        "  input 'topic' is missing (what to write about)",
        "  input 'limit': 'many' is not of type 'integer'",
        "  input 'tags': [1]: 'c' is not one of ['a', 'b']",
    ]
