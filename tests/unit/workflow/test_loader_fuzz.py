"""Whatever the text, the loader gives a workflow or a `WorkflowError` with places inside the file."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.worker import WorkerCard
from orchestrator.errors import WorkflowError
from orchestrator.workflow import Workflow, parse_workflow
from orchestrator.workflow.language import KINDS, STEP, WORKFLOW
from orchestrator.workflow.reader import LATER_TOP
from orchestrator.workflow.step_reader import LATER_KEYS

GOOD = (Path(__file__).parent / "research.yaml").read_text(encoding="utf-8")
CATALOGUE = {"x": WorkerCard("x", input_schema={"type": "object", "properties": {"a": {"type": "integer"}}})}
SCALARS = st.sampled_from([
    None, True, 0, 1, -1, 1.5, "", "a", "b", "x", "small", "fail", "revise", "escalate", "collect", "3s", "worker",
    "agent", "${{ steps.a.output }}", "${{ inputs.a }} b", "${{ item }", "steps.b.status == 'failed'", "output.ok",
    "orchestrator/v1", "string", "succeeded",
])  # fmt: skip
KEYS = st.sampled_from([
    *STEP, *KINDS["agent"], *KINDS["worker"], *LATER_KEYS, "a", "b", "expr", "do", "if", "times", "items", "as", "type",
    "properties", "required", "file", "default", "enum", "max_attempts", "errors", "attempt", "$ref",
])  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
STEPS = st.dictionaries(st.sampled_from("abc"), st.dictionaries(KEYS, VALUES, max_size=6) | VALUES, max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {"api": st.just("orchestrator/v1"), "name": st.just("w"), "steps": STEPS},
    optional={key: VALUES for key in (*WORKFLOW, *LATER_TOP) if key not in ("api", "name", "steps")},
)


def load(text: str) -> None:
    try:
        workflow = parse_workflow(text, file="w.yaml", folder=None, catalogue=CATALOGUE, model_tiers=["small"])
    except WorkflowError as error:
        assert error.problems
        last = (
            text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 2
        )
        assert all(1 <= problem.line <= last and problem.column >= 1 for problem in error.problems)
        assert all(len(str(problem)) < 1_500 for problem in error.problems)
    else:
        assert Workflow.from_json(workflow.to_json()).to_json() == workflow.to_json()


@settings(max_examples=250, deadline=None)
@given(document=DOCUMENTS)
def test_any_document(document):
    load(yaml.safe_dump(document, sort_keys=False))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_good_file_with_a_few_characters_changed(data):
    text = GOOD
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 6))
        new = data.draw(st.text(st.sampled_from("{}[]:,-\n '\"$#&*!|>%@`~a1. \t"), max_size=4) | st.text(max_size=3))
        text = text[:at] + new + text[at + gone :]
    load(text)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text(text):
    load(text)
