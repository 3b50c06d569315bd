"""What may be laid over a step's `with` when a run is forked."""

from __future__ import annotations

import pytest

from orchestrator.domain.worker import WorkerCard
from orchestrator.workflow import Workflow
from orchestrator.workflow.overlay import overlay_problems, overlay_schemas
from orchestrator.workflow.signatures import of_card, of_workflow

SPEC = Workflow.from_yaml(
    "api: orchestrator/v1\nname: w\nsteps: {s: {kind: worker, worker: a.b, with: {query: x, limit: 5}}}"
).steps["s"]
SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "limit": {"$ref": "#/$defs/Limit"}, "page": {"type": "integer"}},
    "$defs": {"Limit": {"type": "integer", "minimum": 1}},
}
CLOSED = of_card(WorkerCard("a.b", input_schema=SCHEMA))
ANYTHING = of_card(WorkerCard("a.b", input_schema={"type": "object", "additionalProperties": True}))
CALLEE = of_workflow("child", {"topic": {"type": "string"}, "depth": {"type": "integer", "default": 1}}, None)


@pytest.mark.parametrize(
    ("values", "signature", "problem"),
    [
        ({"limit": 2, "page": 1}, CLOSED, ""),
        ({"limt": 2}, CLOSED, "worker 'a.b' takes no 'limt' (did you mean 'limit'?)"),
        ({"limit": 0}, CLOSED, "'limit': 0 is less than the minimum of 1"),
        ({"query": "${{ steps.x.output }}"}, CLOSED, ""),
        ({"whatever": 1}, ANYTHING, ""),
        ({"limit": "any"}, None, ""),
        ({"page": 1}, None, "step 's' takes no 'page' (known: limit, query)"),
        ({"topic": 5}, CALLEE, "'topic': 5 is not of type 'string'"),
        ({"subject": "x"}, CALLEE, "workflow 'child' takes no 'subject' (known: depth, topic)"),
        (["limit"], CLOSED, "it must be a JSON object with the keys of the step's `with`"),
        ({1: 2}, CLOSED, "it must be a JSON object with the keys of the step's `with`"),
        ({"limit": float("nan")}, None, "it is not plain JSON: Out of range float values are not JSON compliant"),
        ({"limit": object}, None, "it is not plain JSON: Object of type type is not JSON serializable"),
    ],
)
def test_an_overlay_is_checked_as_far_as_types_are_known(values, signature, problem) -> None:
    found = overlay_problems(SPEC, values, signature)
    assert [line.split(": nan")[0] for line in found] == ([problem] if problem else [])


def test_the_schemas_are_those_of_the_worker_or_else_only_the_keys_of_the_step() -> None:
    assert overlay_schemas(SPEC, CLOSED)["limit"] == {"type": "integer", "minimum": 1, "$defs": SCHEMA["$defs"]}
    assert overlay_schemas(SPEC, ANYTHING) == overlay_schemas(SPEC, None) == {"query": {}, "limit": {}}
    assert list(overlay_schemas(SPEC, CALLEE)) == ["topic", "depth"]
