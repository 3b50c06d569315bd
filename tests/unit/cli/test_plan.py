"""`orchestrator plan`: the table, the JSON and the two diagrams; and that nothing is started for any of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import application
from orchestrator.cli.plan_diagrams import dot, mermaid
from orchestrator.errors import InputError
from orchestrator.workflow import Workflow
from orchestrator.workflow.figures import Facts
from orchestrator.workflow.forecast import forecast
from orchestrator.workflow.forecast_values import Forecast
from tests.unit.cli.diagrams import CLASS, EDGE, NODE, DotReader

REPOSITORY = Path(__file__).parents[3]

ODD = """\
api: orchestrator/v1
name: odd
version: 1.0.0
inputs: {go: {type: boolean, default: false}, names: {type: array, items: {type: string}, default: [a, b]}}
models: {dear: {model: large, price_cap_usd: 0.05}}
steps:
  end:
    kind: agent
    model: dear
    foreach: {items: "${{ inputs.names }}", as: who, max_parallel: 1}
    with: {who: "${{ who }}"}
    prompt: "Say hello to ${{ with.who }}"
    timeout: {attempt: 10s}
    on_invalid: [{do: revise, times: 2}, {do: escalate, model: small}]
  style: {kind: agent, model: small, needs: {end: [succeeded, failed]}, prompt: hi, when: inputs.go}
  class: {kind: agent, model: small, needs: {style: [succeeded, skipped]}, prompt: hi}
  graph: {kind: agent, model: small, needs: [style], prompt: hi, rate: 60/m}
  subgraph: {kind: agent, model: small, prompt: hi, when: "steps.class.status == 'succeeded'"}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.orchestrator]\n")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_text(
        "small: {provider: openai, model: x, input_price: 1.0, output_price: 2.0, max_tokens: 100}\n"
        "large: {provider: openai, model: y, input_price: 10.0, output_price: 20.0}\n"
    )
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "odd.yaml").write_text(ODD)
    monkeypatch.delenv("ORCHESTRATOR_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


def plan(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(application, ["-C", str(project), "plan", *arguments])


def odd(text: str = ODD) -> Forecast:
    workflow = Workflow.from_yaml(text)
    return forecast(workflow, workflow.check_inputs({}), Facts())


def test_the_table_says_what_where_and_why(project: Path) -> None:
    done = plan(project, "odd")
    assert done.exit_code == 0, done.output
    lines = [re.sub(r" {2,}", " | ", line.rstrip()) for line in done.output.splitlines()]
    assert re.fullmatch(r"odd 1\.0\.0 #[0-9a-f]{8} · 5 steps in 4 waves · nothing was started", lines[0])
    for line in (
        "1 | end * | agent large | agents | - | 2 | 24 | - | $0.0203 / $0.90 | - / 4 m 12 s",
        "2 | style | agent small | agents | end (succeeded or failed) | - | 0 | - | - | -",
        "3 | class * | agent small | agents | style (succeeded or skipped) | - | 3 | - "
        "| $0.0002 / $0.0006 | - / 3 m 02 s",
        "critical path * end → style → class → subgraph (by timeouts)",
        "pool agents | end, class, subgraph: at most 30",
        "asks a person | never",
    ):
        assert line in lines, done.output
    sources = "\n".join(lines)
    assert "style | skipped: when is false with these inputs" in sources
    assert "graph | skipped: style is skipped" in sources
    assert "subgraph | only if steps.class.status == 'succeeded'" in sources
    assert "cost: one call of large, ~13 → 500 tokens, prices of models.yaml, 2 items" in sources
    assert "past runs: not looked at, since no database is configured and the embedded one is not up" in sources


def test_nothing_is_started(project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert plan(project, "odd").exit_code == 0
    assert sorted(project.rglob("*")) == before


def test_inputs_change_the_plan(project: Path) -> None:
    (project / "inputs.json").write_text('{"go": true, "names": ["a", "b", "c"]}')
    done = plan(project, "odd", "--inputs", str(project / "inputs.json"), "--json")
    data = json.loads(done.output)
    steps = {step["id"]: step for step in data["steps"]}
    assert steps["end"]["items"] == {"value": 3, "each": False, "source": "these inputs"}
    assert [name for name, step in steps.items() if step["skipped"]] == []


def test_a_required_input_may_be_left_out_of_a_plan(project: Path) -> None:
    text = ODD.replace("type: array, items: {type: string}, default: [a, b]", "type: array, items: {type: string}")
    (project / "graphs" / "odd.yaml").write_text(text)
    data = json.loads(plan(project, "odd", "--json").output)
    assert data["inputs_not_given"] == ["names"]
    assert data["steps"][0]["items"] == {"value": None, "each": False, "source": "reads inputs.names"}
    assert data["steps"][0]["troubles"] == []
    assert "not given       the inputs names; a run needs them" in plan(project, "odd").output


def test_the_json_has_every_figure_with_its_source(project: Path) -> None:
    data = json.loads(plan(project, "odd", "--json", "--no-past").output)
    assert list(data) == [
        "workflow", "version", "sha256", "inputs_not_given", "steps", "finally", "waves", "critical_path", "pools",
        "asks", "questions", "attempts_at_most", "cost", "seconds", "budget", "past_runs",
    ]  # fmt: skip
    assert data["waves"] == [["end"], ["style"], ["class", "graph"], ["subgraph"]]
    assert data["critical_path"] == {"steps": ["end", "style", "class", "subgraph"], "by": "timeouts"}
    assert data["pools"] == [
        {
            "pool": "agents",
            "steps": ["end", "class", "subgraph"],
            "attempts_at_most": {"value": 30, "each": {}, "without": []},
        }
    ]
    assert (data["asks"], data["past_runs"]) == ([], "past runs: not asked for")
    end = data["steps"][0]
    assert (end["kind"], end["worker"], end["model"], end["pool"]) == ("agent", "orchestrator.agent", "large", "agents")
    assert [(rung["why"], rung["rounds"], rung["targets"][0]["model"]) for rung in end["ladder"]] == [
        ("first", 1, "large"), ("revise", 2, "large"), ("escalate", 1, "small"),
    ]  # fmt: skip
    for step in data["steps"]:
        for figure in (step["attempts_at_most"], *step["cost"].values(), *step["seconds"].values()):
            assert figure["source"], step["id"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("odd", "-i", "go=maybe"), "input 'go'"),
        (("odd", "-i", "gone=1"), "unknown input 'gone'"),
        (("absent",), "no workflow file 'absent'"),
        (("odd", "--json", "--format", "dot"), "--json and --format do not go together"),
    ],
)
def test_wrong_words_are_input_errors(project: Path, arguments: tuple[str, ...], words: str) -> None:
    done = plan(project, *arguments)
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_mermaid_has_a_node_a_step_and_an_edge_a_need() -> None:
    found = odd()
    first, *lines = mermaid(found).splitlines()
    assert first == "flowchart LR"
    nodes = {match[1] for line in lines if (match := NODE.fullmatch(line))}
    edges = {(match[1], match[4]) for line in lines if (match := EDGE.fullmatch(line))}
    assert nodes == {f"step_{step.spec.id}" for step in found.steps}
    assert edges == {(f"step_{n}", f"step_{step.spec.id}") for step in found.steps for n in step.spec.needs}
    assert all(NODE.fullmatch(line) or EDGE.fullmatch(line) or CLASS.fullmatch(line) for line in lines)
    assert '    step_end -.->|"succeeded or failed"| step_style' in lines
    assert "    class step_end,step_style,step_class,step_subgraph critical" in lines


def test_mermaid_escapes_what_would_end_a_label() -> None:
    found = odd(ODD.replace("{end: [succeeded, failed]}", "[end]"))
    (step, *rest) = found.steps
    hostile = replace(step, spec=step.spec.model_copy(update={"pool": 'a"b<script>#`\n|'}))
    label = mermaid(replace(found, steps=(hostile, *rest))).splitlines()[1]
    assert NODE.fullmatch(label)
    assert "a&quot;b&lt;script&gt;&num;&#96; |" in label


def test_dot_has_a_node_a_step_and_an_edge_a_need() -> None:
    found = odd()
    read = DotReader(dot(found))
    assert read.name == found.workflow.name
    assert read.nodes == {step.spec.id for step in found.steps}
    assert read.edges == {(needed, step.spec.id) for step in found.steps for needed in step.spec.needs}


def test_dot_escapes_quotes_and_backslashes() -> None:
    found = odd()
    named = replace(found, workflow=found.workflow.model_copy(update={"name": 'a "b" \\ c'}))
    assert DotReader(dot(named)).name == 'a "b" \\ c'


@pytest.mark.parametrize("graph", ["brief", "triage"])
@pytest.mark.parametrize("shown_as", ["table", "mermaid", "dot", "json"])
def test_the_reference_graphs_plan(graph: str, shown_as: str) -> None:
    how = ["--json"] if shown_as == "json" else ["--format", shown_as]
    done = plan(REPOSITORY, f"graphs/{graph}.yaml", "--no-past", *how)
    assert done.exit_code == 0, done.output
    if shown_as == "json":
        assert json.loads(done.output)["attempts_at_most"]["each"]
    elif shown_as == "dot":
        assert "read" in DotReader(done.output).nodes
    elif shown_as == "mermaid":
        assert all(NODE.fullmatch(x) or EDGE.fullmatch(x) or CLASS.fullmatch(x) for x in done.output.splitlines()[1:])


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_takes_it() -> None:
    done = subprocess.run(["dot", "-Tplain"], input=dot(odd()), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(line.startswith("node ") for line in done.stdout.splitlines()) == 5


def test_a_steps_rate_stands_beside_its_pool(project: Path) -> None:
    data = json.loads(plan(project, "odd", "--json").output)
    assert {step["id"]: step["rate"] for step in data["steps"] if step["rate"]} == {"graph": "60/m"}
    assert "agents, 60/m" in plan(project, "odd").output
