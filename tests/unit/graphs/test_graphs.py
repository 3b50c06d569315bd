from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workers
from orchestrator import Workflow
from orchestrator.domain.worker import Catalogue
from orchestrator.validation import schema_problems
from orchestrator.worker import Worker
from orchestrator.workflow import Expressions, load_workflow
from tests.unit.workers.samples import TEXT, document, source, ticket

GRAPHS = Path(__file__).parents[3] / "graphs"
WORKERS: dict[str, Worker[..., Any]] = {
    value.name: value
    for module in pkgutil.iter_modules(workers.__path__)
    for value in vars(importlib.import_module(f"workers.{module.name}")).values()
    if isinstance(value, Worker)
}
CATALOGUE: Catalogue = {name: worker.card for name, worker in WORKERS.items()}


def graph(name: str) -> Workflow:
    return load_workflow(GRAPHS / f"{name}.yaml", catalogue=CATALOGUE, model_tiers=["small", "large"])


def prompt(workflow: Workflow, step: str, with_: dict[str, Any]) -> str:
    text = workflow.steps[step].prompt
    assert text is not None
    return Expressions().render_text(text, {"with": with_, "inputs": {}, "steps": {}, "run": {}})


@pytest.mark.parametrize(("name", "steps"), [
    ("brief", ["read", "extract", "gather", "write", "lay_out", "save"]),
    ("triage", ["read", "classify", "route", "draft", "tabulate"]),
    ("ask", ["index", "search", "select", "answer", "lay_out"]),
    ("supervise", ["reach"]),
    ("report", ["describe", "write_sql", "query", "say", "lay_out", "save"]),
])  # fmt: skip
def test_a_graph_loads_without_a_problem(name: str, steps: list[str]) -> None:
    assert list(graph(name).steps) == steps


def test_workers_use_nothing_but_the_public_interface() -> None:
    for path in Path(next(iter(workers.__path__))).glob("*.py"):
        for line in path.read_text().splitlines():
            assert not line.lstrip().startswith(("from orchestrator.", "import orchestrator")), (path, line)
    assert "orchestrator" in sys.modules


def test_the_defaults_are_enough_to_run_a_graph() -> None:
    assert (GRAPHS.parent / graph("report").check_inputs({})["file"]).is_file()
    assert graph("ask").check_inputs({"question": "What is a run?"})["folder"] == "docs"
    assert graph("brief").check_inputs({})["folder"] == "docs"
    assert (GRAPHS.parent / graph("triage").check_inputs({})["file"]).is_file()


def test_every_agent_has_bounded_output_and_a_way_out() -> None:
    for name in ("brief", "triage", "ask", "report"):
        for step in graph(name).steps.values():
            if step.kind == "agent":
                assert [remedy.kind for remedy in step.on_invalid] == ["revise", "escalate"]
                assert step.validators
                assert_bounded(step.output)


def assert_bounded(schema: Any) -> None:
    """Every string and list has a limit: a small model goes on until it meets one."""
    if schema.get("type") == "string":
        assert "maxLength" in schema
    if schema.get("type") == "array":
        assert "maxItems" in schema
        assert_bounded(schema["items"])
    if schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        for below in schema["properties"].values():
            assert_bounded(below)


EVIDENCE = {"number": 1, "document": "bridge.md", "text": TEXT, "start": 0, "end": len(TEXT), "heading": "The bridge"}
ROWS = {
    "question": "Which region has the most pieces?",
    "sql": "SELECT 1",
    "columns": [{"name": "region", "type": "VARCHAR"}, {"name": "pieces", "type": "BIGINT"}],
    "rows": [{"region": "west", "pieces": 155}, {"region": "east", "pieces": 113}],
    "more": False,
}
STAND_INS = [
    ("ask", "answer", {"question": "Who painted the bridge?", "sources": [EVIDENCE]}),
    ("ask", "answer", {"question": "???", "sources": [{**EVIDENCE, "text": "x" * 3_000}]}),
    ("report", "say", ROWS),
    ("report", "say", {**ROWS, "rows": []}),
    ("report", "say", {**ROWS, "rows": [{"region": "w" * 900, "pieces": None}] * 200}),
    ("brief", "extract", {"document": document().model_dump()}),
    ("brief", "extract", {"document": document(text="x" * 3_000).model_dump()}),
    ("brief", "write", {"topic": "", "sources": [source(1, "Forty painters need ten years.").model_dump()]}),
    ("brief", "write", {"topic": "t" * 80, "sources": [source(n, "q" * 240).model_dump() for n in range(1, 25)]}),
    ("triage", "classify", {"message": {"id": "m-1", "text": "I was charged twice."}}),
    ("triage", "classify", {"message": {"id": "m-1", "text": ""}}),
    ("triage", "draft", {"ticket": ticket(id="m-" + "1" * 30, urgency="high").model_dump()}),
]


@pytest.mark.parametrize(("name", "step", "with_"), STAND_INS)
async def test_the_worker_that_stands_in_fits_the_schema_and_passes_every_validator(
    name: str, step: str, with_: dict[str, Any]
) -> None:
    spec = graph(name).steps[step]
    (stand_in,) = [WORKERS[str(remedy.worker)] for remedy in spec.on_invalid if remedy.worker]
    value = (await stand_in.test(with_)).model_dump(mode="json")
    assert spec.output is not None
    assert schema_problems(spec.output, value) == []
    for validator in spec.validators:
        verdict = await WORKERS[str(validator.worker)].test(value, input=with_)
        assert verdict.passed, verdict.message


def test_the_prompts_show_what_the_model_has_to_work_with() -> None:
    brief, triage = graph("brief"), graph("triage")
    candidates = {**document().model_dump(), "candidates": ["First one.", "Second one."]}
    shown = prompt(brief, "extract", {"document": candidates})
    assert TEXT in shown
    assert "- First one.\n- Second one." in shown
    sources = [source(1, "One quote.").model_dump(), source(7, "Another quote.").model_dump()]
    assert "[1] One quote.\n[7] Another quote." in prompt(brief, "write", {"topic": "", "sources": sources})
    assert "about bridges" in prompt(brief, "write", {"topic": "bridges", "sources": sources})
    asked = prompt(
        graph("ask"), "answer", {"question": "Who painted it?", "sources": [EVIDENCE, {**EVIDENCE, "number": 4}]}
    )
    assert f"[1] {TEXT}\n[4] {TEXT}" in asked
    assert "Question: Who painted it?" in asked
    assert "The export fails." in prompt(triage, "draft", {"ticket": ticket().model_dump()})


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80))
def test_any_message_can_be_put_into_the_prompt(text: str) -> None:
    assert text in prompt(TRIAGE, "classify", {"message": {"id": "m-1", "text": text}})


TRIAGE = graph("triage")


def test_the_shipped_messages_are_a_few_dozen_and_differ() -> None:
    lines = (GRAPHS / "data/support_messages.csv").read_text(encoding="utf-8").splitlines()
    assert 30 <= len(set(lines)) == len(lines) <= 60


def test_a_pinned_graph_survives_being_stored() -> None:
    for name in ("brief", "triage", "ask", "report"):
        workflow = graph(name)
        again = Workflow.from_json(json.loads(json.dumps(workflow.to_json())))
        assert again.sha256 == workflow.sha256
        assert again.steps == workflow.steps
