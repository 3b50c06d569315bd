"""Whatever the text, the loader gives a workflow or a `WorkflowError` with places inside it. More: `make fuzz`."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import WorkflowError
from orchestrator.workflow import parse_workflow
from tests.fuzz.loader import changed_files, documents, load, load_document

QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(documents())
def test_any_document(document):
    load_document(document)


@settings(max_examples=200, deadline=None, suppress_health_check=QUIET)
@given(changed_files())
def test_a_file_with_a_few_characters_changed(text):
    load(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_text(text):
    load(text)


HEAD = "api: orchestrator/v1\nname: w\n"
WHEN = HEAD + "steps:\n  a: {{kind: worker, worker: x, when: '{}'}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "? " + "k" * 1_000_000 + "\n: 1\n", "unknown key 'kkk"),
        (HEAD + "steps:\n" + "".join(f"  s{i}: {{kind: worker}}\n" for i in range(10_000)), "needs 'worker'"),
        (WHEN.format("(" * 33 + "true" + ")" * 33), "nested too deeply"),
        (WHEN.format("!" * 15_000 + "true"), ""),
        (WHEN.format(" && ".join(["run.id == inputs.x"] * 700)), "unknown input"),
        (WHEN.format(" ? true : ".join(["true"] * 1_000)), ""),
        (WHEN.format("[1].all(a, " * 40 + "true" + ")" * 40), ""),
        (WHEN.format("size([" + "1," * 7_000 + "1]) > 1"), ""),
        (WHEN.format("x" * 20_000), "an expression may have 16000 characters at most"),
        (HEAD + "steps:\n  a: {kind: agent, model: m, prompt: '" + "${{ 1 }}" * 20_000 + "'}\n", ""),
        (HEAD + "inputs:\n  a: {enum: [" + "1," * 90_000 + "1]}\nsteps: {}\n", "at least one step"),
        (HEAD + "inputs: {a: {$ref: '#'}, b: {$ref: '#/$defs/c', $defs: {c: {$ref: '#/$defs/c'}}}}\n", "needs 'steps'"),
    ],
    ids=[
        "key of a megabyte", "ten thousand steps", "deep", "exclamations", "long", "conditionals", "macros", "list",
        "longest", "twenty thousand holes", "wide", "references in a circle",
    ],
)  # fmt: skip
def test_hostile_workflows_end_in_bounded_time_and_memory(text, message):
    tracemalloc.start()
    began = time.process_time()
    try:
        try:
            parse_workflow(text, file="w.yaml", folder=None)
            said = ""
        except WorkflowError as error:
            said = str(error)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message in said
    assert time.process_time() - began < 30, "seconds, with tracing on"
    assert peak < 300_000_000
