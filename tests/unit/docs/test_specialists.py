"""docs/specialists.md: its examples load, and it names every worker that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.workflow import parse_workflow
from tests.unit.graphs.test_graphs import CATALOGUE

PAGE = (Path(__file__).parents[3] / "docs/specialists.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
HEAD = """api: orchestrator/v1
name: example
version: 1.0.0
inputs: {question: {type: string, default: x}, text: {type: string, default: x}}
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_workflow(example: str) -> None:
    workflow = parse_workflow(HEAD + example, file="specialists.md", folder=Path(), catalogue=CATALOGUE, model_tiers=[])
    assert workflow.steps


def test_there_is_an_example_for_every_part() -> None:
    assert len(EXAMPLES) == 5


def test_the_page_names_every_worker_and_no_other() -> None:
    rows = "".join(re.findall(r"^\| `.*?\|", PAGE, re.MULTILINE))
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)`", rows))
    assert named == {name for name in CATALOGUE if not name.startswith("triage.")}
