"""The editors' schema is current, takes what the loader takes, and refuses the commonest mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from orchestrator.workflow.editor_schema import PACKAGED, editor_schema, rendered
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.yaml_nodes import json_of, read_yaml

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
GRAPHS = sorted((ROOT / "graphs").glob("*.yaml"))
TEMPLATE = sorted((ROOT / "orchestrator/cli/template/graphs").glob("*.yaml"))
EXAMPLES = [
    path for path in sorted((ROOT / "tests/examples").rglob("*.yaml")) if "\nsteps:" in path.read_text(encoding="utf-8")
]
GOOD = [*GRAPHS, *TEMPLATE, *EXAMPLES, HERE / "research.yaml"]
HEADER = "# yaml-language-server: $schema=./workflow.schema.json\n"
ONLY_THE_LOADER_KNOWS = {
    "assignee_types", "bad_input_default_and_unknown_reference", "cel_function", "cel_syntax", "cel_types",
    "comment_inside_an_expression", "cycle", "duplicate_key", "escalation_to_human_keeps_types", "expires_skip",
    "expression_that_looks_like_a_tag", "expressions_in_escaped_text", "expressions_in_folded_text", "field_of_a_list",
    "fields_of_an_error", "fields_of_collected_items", "fields_of_items", "fields_of_own_output", "finally_asks_people",
    "finally_cycle", "finally_needs", "finally_read_too_early", "finally_reads_unguarded", "finally_run_status",
    "finally_skipped_sibling", "foreach_over_text", "form_types", "human_escalates_to_human", "item_outside",
    "leading_zeros", "macro_hides", "merge_keys_and_odd_keys", "never_runs", "numbers_that_json_lacks", "odd_cel",
    "open_template", "prompt_file_without_a_folder", "reads_itself", "repeat_fields_of_later_iterations",
    "repeat_names", "repeat_reads_what_may_be_skipped", "repeat_types", "secret_in_an_expression",
    "secrets_that_nobody_declares", "skip_allowed_by_needs", "skip_guard_of_the_wrong_side", "skip_outputs",
    "skip_passed_on", "skip_unguarded", "text_where_a_number_is_wanted", "types_that_do_not_meet",
    "unknown_field_of_with", "unknown_input", "unknown_model", "unknown_output_field", "unknown_policy",
    "unknown_run_field", "unknown_status", "unknown_step_field", "unknown_step_in_an_expression", "unknown_variable",
    "unknown_worker", "use_without_a_folder", "validator_as_worker", "whole_steps", "with_against_the_worker",
    "with_nested_values", "with_types_of_expressions", "workers_that_are_none",
}  # fmt: skip


@pytest.fixture(scope="module")
def validator():
    schema = editor_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def document(path: Path) -> object:
    """A file as an editor sees it; None where it is not YAML at all."""
    text = path.read_text(encoding="utf-8")
    node = read_yaml(text, Problems(path.name, text))
    return None if node is None else json_of(node)


@pytest.mark.parametrize("path", [PACKAGED, ROOT / "graphs" / PACKAGED.name], ids=["packaged", "graphs"])
def test_it_is_current(path):
    assert path.read_text(encoding="utf-8") == rendered(), "run python -m orchestrator.workflow.editor_schema"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_files_fit(validator, path):
    assert [error.message for error in validator.iter_errors(document(path))] == []


@pytest.mark.parametrize("path", [*GRAPHS, *TEMPLATE], ids=lambda path: path.stem)
def test_every_graph_names_its_schema(path):
    assert path.read_text(encoding="utf-8").startswith(HEADER)


def test_what_the_loader_refuses_the_schema_refuses_unless_only_the_loader_can_know(validator):
    fitting = set()
    for path in (HERE / "bad_files").glob("*.yaml"):
        value = document(path)
        if value is not None and validator.is_valid(value):
            fitting.add(path.stem)
    assert fitting == ONLY_THE_LOADER_KNOWS


HEAD = {"api": "orchestrator/v1", "name": "w"}


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ("{kind: worker}", "'worker' is a required property"),
        ("{kind: agent, model: small}", "'prompt' is a required property"),
        ("{kind: worker, worker: x, prompt: hi}", "False schema does not allow 'hi'"),
        ("{kind: wroker, worker: x}", "'wroker' is not one of"),
        ("{kind: worker, worker: x, tiemout: 3s}", "'tiemout' was unexpected"),
        ("{kind: worker, worker: x, timeout: 3 s}", "is not valid under any of the given schemas"),
        ("{kind: worker, worker: x, retry: {max_attempts: 0}}", "0 is less than the minimum of 1"),
        ("{kind: worker, worker: x, validate: [{name: n}]}", "is not valid under any of the given schemas"),
        ("{kind: worker, worker: x, on_error: [{do: fail, output: 1}]}", "False schema does not allow 1"),
    ],
)
def test_a_mistake_in_a_step_is_said(validator, step, path):
    value = {**HEAD, "steps": {"a": yaml.safe_load(step)}}
    assert any(path in error.message for error in validator.iter_errors(value))


def test_every_key_has_a_description_for_the_editor():
    for name, section in json.loads(rendered())["$defs"].items():
        if name != "schema":
            assert all("description" in key for key in section.get("properties", {}).values()), name
