"""`repeat`: what is pinned, and what its expressions see, wait for and load."""

from __future__ import annotations

import pytest

from orchestrator.domain.worker import WorkerCard
from orchestrator.workflow import StepSpec, parse_workflow
from orchestrator.workflow.model import RepeatSpec

HEAD = "api: orchestrator/v1\nname: w\nsteps:\n"
OTHERS = "  b: {kind: worker, worker: x}\n  c: {kind: worker, worker: x}\n"
TEXT = {"type": "object", "properties": {"text": {"type": "string"}, "score": {"type": "number"}}}
CATALOGUE = {"x": WorkerCard("x", input_schema=TEXT, output_schema=TEXT)}


def step(body: str) -> StepSpec:
    text = f"{HEAD}  a: {{kind: worker, worker: x, {body}}}\n{OTHERS}"
    return parse_workflow(text, file="w.yaml", folder=None, catalogue=CATALOGUE).steps["a"]


def test_what_is_pinned():
    assert step("repeat: {until: output.score > 0.8, max: 3}").repeat == RepeatSpec(until="output.score > 0.8", max=3)
    again = step('repeat: {until: true, max: 1000, with: {text: "${{ previous.output.text }}", score: 1}}').repeat
    assert again == RepeatSpec(until="true", max=1000, with_={"text": "${{ previous.output.text }}", "score": 1})


@pytest.mark.parametrize(
    "until",
    [
        "output.score > 0.8 || iteration >= 3",
        "output.text == input.text",
        "inputs == null || run.id != ''",
        "iteration > 1 && output.text != ''",
    ],
)
def test_until_sees_the_output_the_input_and_the_iteration(until):
    assert step(f'repeat: {{until: "{until}", max: 3}}, with: {{text: x}}').repeat.until == until


def test_with_of_repeat_sees_the_last_valid_output_and_the_iteration():
    again = '{text: "${{ previous.output.text }} no. ${{ iteration }}", score: "${{ iteration }}"}'
    assert step(f"repeat: {{until: true, max: 3, with: {again}}}").repeat.with_["score"] == "${{ iteration }}"


def test_what_a_repeat_reads_is_waited_for_and_loaded():
    pinned = step(
        "repeat: {until: steps.b.output.score > output.score, max: 3, with: {text: '${{ steps.c.output.text }}'}}"
    )
    assert pinned.needs == {"b": ("succeeded",), "c": ("succeeded",)}
    assert set(pinned.refs) == set(pinned.payloads) == {"b", "c"}


def test_a_guard_holds_in_a_repeat_too():
    text = f"{HEAD}  s: {{kind: worker, worker: x, when: run.id == 'x'}}\n"
    text += (
        "  a: {kind: worker, worker: x, "
        "repeat: {until: steps.s.status != 'succeeded' || steps.s.output.score > 1.0, max: 3}}\n"
    )
    assert parse_workflow(text, file="w.yaml", folder=None).steps["a"].needs == {"s": ("succeeded", "skipped")}


def test_a_field_that_only_later_iterations_have_may_be_asked_for():
    text = f"""{HEAD}  a:
    kind: agent
    model: small
    prompt: 'Write. ${{{{ has(with.draft) ? "Mend this: " + with.draft : "" }}}}'
    repeat: {{until: size(output.text) > 9, max: 2, with: {{draft: "${{{{ previous.output.text }}}}"}}}}
"""
    assert parse_workflow(text, file="w.yaml", folder=None).steps["a"].repeat.max == 2


def test_a_field_that_is_put_over_another_may_have_either_type():
    text = f"""{HEAD}  a:
    kind: agent
    model: small
    with: {{draft: null}}
    prompt: '${{{{ with.draft == null ? "Write." : "Mend: " + with.draft }}}}'
    repeat: {{until: size(output.text) > 9, max: 2, with: {{draft: "${{{{ string(previous.output.text) }}}}"}}}}
"""
    assert parse_workflow(text, file="w.yaml", folder=None).steps["a"].with_ == {"draft": None}
