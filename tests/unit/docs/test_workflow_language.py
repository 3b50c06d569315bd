"""The page of the language is true: every example in it loads, and every key that the loader takes is on it.

Of each block of YAML a whole workflow is made, by what it begins with:

* `api:` it is one already;
* `# file: NAME` it is a file that other blocks use, by that name;
* four spaces: it is the body of the step `example`, of a worker unless the block says its `kind`;
* anything else: its keys stand at the top level, in place of the skeleton's keys of the same name.

A block with the line `# refused: TEXT` must be refused with a message that holds TEXT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.domain.worker import WorkerCard, WorkerKind
from orchestrator.errors import WorkflowError
from orchestrator.workflow import Workflow, language, parse_workflow

PAGE = (Path(__file__).parents[3] / "docs/workflow-language.md").read_text(encoding="utf-8")
BLOCKS = {
    PAGE.count("\n", 0, found.start()) + 2: found.group(1)
    for found in re.finditer(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
FILE = re.compile(r"# file: (\S+)\n")
FILES = {named.group(1): block for block in BLOCKS.values() if (named := FILE.match(block))}
PROMPTS = {"prompts/answer.md": "Answer: ${{ with.question }}"}
EXAMPLES = {line: block for line, block in BLOCKS.items() if not FILE.match(block)}
REFUSED = re.compile(r"^# refused: (.+)$", re.MULTILINE)
TOP_KEY = re.compile(r"^([a-z]+):", re.MULTILINE)

SKELETON = {
    "api": "api: orchestrator/v1\n",
    "name": "name: example\n",
    "inputs": "inputs: {topic: {type: string}}\n",
    "steps": """steps:
  check: {kind: worker, worker: example.work}
  search: {kind: worker, worker: research.search}
  approve: {kind: worker, worker: example.work, when: inputs.topic != ""}
""",
}
WORKERS = ("documents.read_folder", "example.work", "extraction.extractive", "research.search")
VALIDATORS = ("research.links_alive", "review.quotes_verbatim")
CATALOGUE = {name: WorkerCard(name) for name in WORKERS} | {
    name: WorkerCard(name, kind=WorkerKind.VALIDATOR) for name in VALIDATORS
}
CATALOGUE["maths.add"] = WorkerCard("maths.add", kind=WorkerKind.TOOL, pool="")


def whole(block: str) -> str:
    """A complete workflow, by the rule above."""
    if block.startswith("    "):
        kind = "" if re.search(r"^    kind:", block, re.MULTILINE) else "    kind: worker\n    worker: example.work\n"
        return "".join(SKELETON.values()) + "  example:\n" + kind + block
    given = set(TOP_KEY.findall(block))
    return block if "api" in given else "".join(SKELETON[key] for key in SKELETON if key not in given) + block


def load(block: str, folder: Path) -> Workflow:
    for name, text in (FILES | PROMPTS).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return parse_workflow(
        whole(block), file="page.yaml", folder=folder, catalogue=CATALOGUE, model_tiers=["small", "large"]
    )


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_loads_or_is_refused_as_it_says(line: int, tmp_path: Path) -> None:
    block = EXAMPLES[line]
    refused = REFUSED.search(block)
    if refused is None:
        load(block, tmp_path)
        return
    with pytest.raises(WorkflowError) as caught:
        load(block, tmp_path)
    assert [refused.group(1) in str(problem) for problem in caught.value.problems] == [True]


def keys() -> Iterator[str]:
    sections = [value for value in vars(language).values() if isinstance(value, language.Section)]
    for section in [*sections, *language.KINDS.values()]:
        yield from section


@pytest.mark.parametrize("key", sorted(set(keys())))
def test_a_key_that_the_loader_takes_is_on_the_page(key: str) -> None:
    code = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL))
    assert any(key in re.findall(r"\w+", each) for each in code)


def test_the_page_has_examples_of_every_sort() -> None:
    assert len(EXAMPLES) >= 20
    assert FILES
    assert any(REFUSED.search(block) for block in EXAMPLES.values())
