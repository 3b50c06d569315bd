"""What a version promises, and where two definitions differ."""

from __future__ import annotations

import pytest

from orchestrator.workflow import Workflow
from orchestrator.workflow.versions import differences, moves, same_definition

TEXT = """\
api: orchestrator/v1
name: letter
version: 1.0.0
inputs: {to: {type: string}}
steps:
  write: {kind: worker, worker: letters.write, with: {to: "${{ inputs.to }}"}}
  send: {kind: worker, worker: letters.send, with: {text: "${{ steps.write.output }}"}}
"""


@pytest.mark.parametrize(
    ("version", "moving"), [("0", True), ("1.0.0-dev", True), ("1.0.0", False), ("0.1", False), ("dev", False)]
)
def test_a_version_that_promises_nothing(version, moving):
    assert moves(version) is moving


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("", "", []),
        ("steps:", "# only a comment\nsteps:", []),
        ("letters.send", "post.send", ["steps.send.worker"]),
        ("{text:", "{body:", ["steps.send.with"]),
        ("inputs: {to: {type: string}}", "inputs: {to: {type: string}, cc: {type: string, default: x}}", ["inputs.cc"]),
        ("1.0.0", "1.1.0", ["version"]),
        ("steps.write.output }}", "steps.write.output.text }}", ["steps.send.with"]),
        ('"${{ inputs.to }}"}}', '"${{ inputs.to }}"}, validate: [{name: x, expr: "true"}]}', ["steps.write.validate"]),
        ("  send:", "  post:", ["steps.post", "steps.send"]),
    ],
)
def test_differences_are_named_by_their_paths(old, new, paths):
    before, after = Workflow.from_yaml(TEXT), Workflow.from_yaml(TEXT.replace(old, new, 1) if old else TEXT)
    assert differences(before.to_json(), after) == paths
    assert same_definition(before.to_json(), after) is (paths == [])


ENDING = """\
  ask: {kind: human, form: {type: string}, expires: {after: 2h}}
finally:
  tell: {kind: worker, worker: letters.tell, with: {how: "${{ run.status }}"}}
"""


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ("", "", []),
        ("{type: string}, expires", "{type: number}, expires", ["steps.ask.form"]),
        ("2h", "3h", ["steps.ask.expires"]),
        ("letters.tell", "post.tell", ["finally.tell.worker"]),
        ("{how:", "{what:", ["finally.tell.with"]),
        ("  tell:", "  say:", ["finally.say", "finally.tell"]),
        ("inputs:", "budget: {usd: 1}\ninputs:", ["budget"]),
    ],
)
def test_differences_have_the_words_of_the_file(old, new, paths):
    text = TEXT + ENDING
    before, after = Workflow.from_yaml(text), Workflow.from_yaml(text.replace(old, new, 1) if old else text)
    assert differences(before.to_json(), after) == paths


def test_many_differences_are_counted():
    after = Workflow.from_yaml(TEXT.replace("letters", "post").replace("1.0.0", "2").replace("letter\n", "mail\n"))
    assert differences(Workflow.from_yaml(TEXT).to_json(), after) == [
        "name", "version", "steps.write.worker", "… 1 more",
    ]  # fmt: skip


def test_the_order_of_steps_is_a_difference():
    lines = TEXT.splitlines()
    swapped = "\n".join([*lines[:-2], lines[-1], lines[-2]])
    assert differences(Workflow.from_yaml(TEXT).to_json(), Workflow.from_yaml(swapped)) == ["steps.order"]


def test_a_definition_that_cannot_be_read_any_more_is_another():
    stored = Workflow.from_yaml(TEXT).to_json()
    stored["steps"]["send"]["gone"] = 1
    assert not same_definition(stored, Workflow.from_yaml(TEXT))
    assert differences(stored, Workflow.from_yaml(TEXT)) == ["steps.send.gone"]
