"""Every kind of mistake in a workflow file, with the exact messages: file:line:column, and how to mend it.

Each file of `bad_files/` ends with the messages it must give, as `#> line:column: message` comments.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.worker import WorkerCard, WorkerKind
from orchestrator.errors import WorkflowError
from orchestrator.workflow import load_workflow, parse_workflow

FILES = sorted((Path(__file__).parent / "bad_files").glob("*.yaml"))
HEAD = "api: orchestrator/v1\nname: w\n"
READ_INPUT = {
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": {"type": "string"},
        "limit": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}},
    },
    "$defs": {"Tag": {"enum": ["a", "b"]}},
}
READ_OUTPUT = {"type": "object", "properties": {"text": {"type": "string"}}}
CARDS = (
    WorkerCard("docs.read", pool="docs", input_schema=READ_INPUT, output_schema=READ_OUTPUT),
    WorkerCard("any.thing"),
    WorkerCard("maths.add", kind=WorkerKind.TOOL, pool=""),
    WorkerCard("long.name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on"),
    WorkerCard("docs.quotes", kind=WorkerKind.VALIDATOR, pool="checks"),
)
CATALOGUE = {card.name: card for card in CARDS}


def problems_of(text: str) -> list[str]:
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(text, file="w.yaml", folder=None, catalogue=CATALOGUE, model_tiers=["small", "large"])
    return [str(problem).removeprefix("w.yaml:") for problem in caught.value.problems]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_mistake_is_located_and_said(path):
    text = path.read_text(encoding="utf-8")
    expected = [line.removeprefix("#> ") for line in text.split("\n") if line.startswith("#> ")]
    assert expected, f"{path.name} says no messages"
    assert problems_of(text) == expected


def test_there_is_a_file_for_every_kind_of_mistake():
    assert len(FILES) >= 120


def test_the_error_itself_prints_every_mistake_with_its_file():
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(HEAD + "stesp: 1\n", file="graphs/w.yaml", folder=None)
    assert str(caught.value) == "graphs/w.yaml:3:1: unknown key 'stesp' in the workflow (did you mean 'steps'?)"


def test_every_use_of_a_wrong_name_is_reported_and_each_place_once():
    twice = "steps:\n  a: {kind: agent, model: small, prompt: 'p ${{ x }}', system: 's ${{ x }}'}\n"
    assert [line.split(":")[1] for line in problems_of(HEAD + twice)] == ["49", "71"]
    shared = "steps:\n  a: {kind: worker, worker: any.thing, with: &w {q: '${{ x }}'}}\n"
    shared += "  b: {kind: worker, worker: any.thing, with: *w}\n"
    assert problems_of(HEAD + shared) == ["4:58: unknown name 'x' (known: inputs, run, steps)"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot read the workflow: no such file or directory"),
        (lambda path: path.mkdir(), "cannot read the workflow: is a directory"),
        (lambda path: path.write_bytes(b"name: \xff\xfe"), "cannot read the workflow: it is not UTF-8 text"),
    ],
    ids=["missing", "folder", "binary"],
)
def test_a_file_that_cannot_be_read_is_a_located_error(tmp_path, make, message):
    path = tmp_path / "w.yaml"
    make(path)
    with pytest.raises(WorkflowError) as caught:
        load_workflow(path, catalogue=None, model_tiers=None)
    assert str(caught.value) == f"{path}:1:1: {message}"
