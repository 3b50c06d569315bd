"""Prompt files are inlined, and their mistakes are located in them."""

from __future__ import annotations

import pytest

from orchestrator.errors import WorkflowError
from orchestrator.workflow import load_workflow

WORKFLOW = """\
api: orchestrator/v1
name: w
inputs: {topic: {type: string}}
steps:
  write:
    kind: agent
    model: small
    prompt: {file: prompts/write.md}
    system: {file: ../system.md}
"""


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "graphs"
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "write.md").write_text("# Write\n\nAbout ${{ inputs.topic }}.\n", encoding="utf-8")
    (tmp_path / "system.md").write_text("Be brief.", encoding="utf-8")
    (folder / "w.yaml").write_text(WORKFLOW, encoding="utf-8")
    return folder / "w.yaml"


def problems_of(path):
    with pytest.raises(WorkflowError) as caught:
        load_workflow(path)
    return [str(problem) for problem in caught.value.problems]


def test_prompt_files_are_inlined_and_pinned(path):
    workflow = load_workflow(path)
    assert workflow.steps["write"].prompt == "# Write\n\nAbout ${{ inputs.topic }}.\n"
    assert workflow.steps["write"].system == "Be brief."
    (path.parent / "prompts" / "write.md").write_text("Other words", encoding="utf-8")
    assert load_workflow(path).sha256 != workflow.sha256


def test_a_mistake_in_a_prompt_file_is_located_in_the_prompt_file(path):
    prompt = path.parent / "prompts" / "write.md"
    prompt.write_text("# Write\n\nAbout ${{ inputs.topik }} and ${{ with.x }}\n", encoding="utf-8")
    assert problems_of(path) == [
        f"{prompt}:3:18: unknown input 'topik' (did you mean 'topic'?)",
        f"{prompt}:3:40: unknown field of 'with': 'x'",
    ]


def test_a_missing_prompt_file_is_located_in_the_workflow(path):
    (path.parent / "prompts" / "write.md").unlink()
    assert problems_of(path) == [f"{path}:8:20: cannot read prompt file 'prompts/write.md': no such file or directory"]


@pytest.mark.parametrize(
    ("data", "why"), [(b"\xff\xfe\x00", "it is not UTF-8 text"), (b"x" * 1_000_001, "longer than 1,000,000 characters")]
)
def test_an_unusable_prompt_file_is_located_in_the_workflow(path, data, why):
    (path.parent / "prompts" / "write.md").write_bytes(data)
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}:8:20: ")
    assert problem.endswith(why)
