"""`use`: models, policies and validators of other files become part of the workflow that is pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import WorkflowError
from orchestrator.workflow import ModelTier, ValidatorSpec, load_workflow

API = "api: orchestrator/v1\n"
STEP = "steps:\n  a: {kind: worker, worker: x, policy: net, validate: [short]}\n"
MAIN = f"{API}name: w\nuse: [shared/policies.yaml]\n{STEP}"
POLICIES = f"""{API}use: [more/models.yaml]
policies:
  net: {{retry: {{max_attempts: 7}}, timeout: 9s}}
validators:
  short: {{expr: size(output.text) < 10, message: too long}}
"""
MODELS = f"{API}models: {{small: {{model: local, price_cap_usd: 0.5}}}}\n"


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, {"w.yaml": MAIN, "shared/policies.yaml": POLICIES, "shared/more/models.yaml": MODELS})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def problems(folder: Path, files: dict[str, str]) -> list[str]:
    write(folder, files)
    with pytest.raises(WorkflowError) as caught:
        load_workflow(folder / "w.yaml", model_tiers=["local"])
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_definitions_are_merged_also_those_of_files_that_the_used_file_uses(folder):
    workflow = load_workflow(folder / "w.yaml", model_tiers=["local"])
    step = workflow.steps["a"]
    assert (step.retry.max_attempts, step.timeout.attempt) == (7, 9.0)
    assert step.validators == (ValidatorSpec(name="short", expr="size(output.text) < 10", message="too long"),)
    assert workflow.models == {"small": ModelTier(model="local", price_cap_usd=0.5)}


@pytest.mark.parametrize(
    ("file", "old", "new", "same"),
    [
        ("shared/policies.yaml", "7", "8", False),
        ("shared/policies.yaml", "< 10", "< 11", False),
        ("shared/more/models.yaml", "0.5", "0.6", False),
        ("shared/policies.yaml", "policies:", "# a comment\npolicies:", True),
    ],
)
def test_what_is_used_is_part_of_the_sha256(folder, file, old, new, same):
    before = load_workflow(folder / "w.yaml").sha256
    path = folder / file
    path.write_text(path.read_text().replace(old, new))
    assert (load_workflow(folder / "w.yaml").sha256 == before) is same


def test_writing_the_definitions_out_gives_the_same_sha256(folder):
    used = load_workflow(folder / "w.yaml")
    own = "".join(text.removeprefix(API) for text in (MODELS, POLICIES.replace("use: [more/models.yaml]\n", "")))
    (folder / "own.yaml").write_text(f"{API}name: w\n{own}{STEP}")
    assert load_workflow(folder / "own.yaml").sha256 == used.sha256


def test_a_file_that_is_used_twice_is_read_once(folder):
    write(folder, {"w.yaml": MAIN.replace("[shared", "[./shared/more/models.yaml, shared")})
    assert list(load_workflow(folder / "w.yaml").models) == ["small"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"shared/more/models.yaml": f"{API}use: [../policies.yaml]\n"},
            ["shared/more/models.yaml:2:7: files use each other: policies.yaml → models.yaml → policies.yaml"],
        ),
        (
            {"shared/more/models.yaml": f"{API}use: [../../w.yaml]\n"},
            ["shared/more/models.yaml:2:7: files use each other: w.yaml → policies.yaml → models.yaml → w.yaml"],
        ),
        (
            {"w.yaml": f"{API}name: w\nuse: [w.yaml]\nsteps: {{a: {{kind: worker, worker: x}}}}\n"},
            ["w.yaml:3:7: files use each other: w.yaml → w.yaml"],
        ),
        (
            {"w.yaml": MAIN + "policies: {net: {timeout: 1s}}\nmodels: {small: {model: local}}\n"},
            [
                "w.yaml:6:12: policy 'net' is defined twice (it stands already at shared/policies.yaml:4:3)",
                "w.yaml:7:10: model 'small' is defined twice (it stands already at shared/more/models.yaml:2:10)",
            ],
        ),
        (
            {"shared/more/models.yaml": MODELS + "validators: {short: {worker: v}}\n"},
            [
                "shared/policies.yaml:6:3: validator 'short' is defined twice"
                " (it stands already at shared/more/models.yaml:3:14)"
            ],
        ),
        (
            {"shared/more/models.yaml": "models: {small: {model: lcal}}\nsteps: {}\n"},
            [
                "shared/more/models.yaml:1:1: a file that is used needs 'api' (api: orchestrator/v1)",
                "shared/more/models.yaml:1:25: unknown model 'lcal' (did you mean 'local'?)",
                "shared/more/models.yaml:2:1: unknown key 'steps' in a file that is used"
                " (known: api, models, policies, use, validators)",
            ],
        ),
        ({"shared/more/models.yaml": "# nothing\n"}, ["shared/more/models.yaml:1:1: the file is empty"]),
        (
            {"shared/more/models.yaml": "- a\n"},
            ["shared/more/models.yaml:1:1: a file that is used must be a mapping, this is a list"],
        ),
        (
            {"shared/more/models.yaml": "a: [1\n"},
            ["shared/more/models.yaml:2:1: not YAML: did not find expected ',' or ']'"],
        ),
        (
            {"shared/policies.yaml": POLICIES.replace("more/", "mroe/")},
            ["shared/policies.yaml:2:7: cannot read 'mroe/models.yaml': no such file or directory"],
        ),
        (
            {"w.yaml": MAIN.replace("[shared/policies.yaml]", "[shared/policies.yaml, shared, \"a\\0b\", 3]")},
            [
                "w.yaml:3:29: cannot read 'shared': is a directory",
                "w.yaml:3:37: cannot read 'a\0b': embedded null byte",
                "w.yaml:3:45: a file to use must be text, this is a number (put it in quotes)",
            ],
        ),
        (
            {
                "shared/policies.yaml": POLICIES.replace("output.text", "output.txt"),
                "w.yaml": MAIN.replace("x, ", "x, output: {type: object, properties: {text: {type: string}}}, "),
            },
            ["shared/policies.yaml:6:29: 'output' has no 'txt', in step 'a' (did you mean 'text'?)"],
        ),
    ],
    ids=[
        "circle", "circle of the workflow", "itself", "conflict", "conflict of used files", "keys", "empty", "list",
        "broken", "missing", "unreadable", "validator",
    ],
)  # fmt: skip
def test_mistakes_have_their_place_in_the_file_where_they_are(folder, files, expected):
    assert problems(folder, files) == expected


def test_a_chain_of_files_has_a_limit(folder):
    write(folder, {f"c{i}.yaml": f"{API}use: [c{i + 1}.yaml]\n" for i in range(200)})
    write(folder, {"w.yaml": f"{API}name: w\nuse: [c0.yaml]\nsteps: {{a: {{kind: worker, worker: x}}}}\n"})
    assert problems(folder, {}) == ["c99.yaml:2:7: more than 100 files are used"]
