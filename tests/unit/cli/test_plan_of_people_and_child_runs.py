"""`orchestrator plan` for child runs, repeats, people, `finally` and budgets: from real files, in every format."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import application
from orchestrator.cli.consoles import stdout_console
from tests.unit.cli.diagrams import CLASS, EDGE, GROUP, NODE, DotReader

REPORT = """\
api: orchestrator/v1
name: report
version: 2.0.0
inputs: {topic: {type: string, default: tea}, approver: {type: string, default: ada@example.org}}
budget: {usd: 0.50, tokens: 500000, wall: 30m}
steps:
  write:
    kind: agent
    model: small
    prompt: "write on ${{ inputs.topic }}"
    output: {type: object, required: [markdown], properties: {markdown: {type: string}}}
    validate: [{name: long, expr: "size(output.markdown) > 10"}]
    on_invalid: [{do: revise, times: 2}, {do: escalate, to: human}]
  review:
    kind: workflow
    uses: ./fact_check.yaml
    with: {text: "${{ steps.write.output.markdown }}"}
    repeat: {until: "output.score > 0.8", max: 3}
    budget: {usd: 0.80}
  approve:
    kind: human
    when: steps.review.output.score < 0.95
    assignee: ${{ inputs.approver }}
    form: {type: object, required: [decision], properties: {decision: {enum: [approve, reject]}, note: {type: string}}}
    expires: {after: 48h, then: skip}
  publish: {kind: agent, model: small, needs: {approve: [succeeded, skipped]}, prompt: publish}
finally:
  notify: {kind: agent, model: small, prompt: "it has ${{ run.status }}", when: run.status == "failed"}
"""

FACT_CHECK = """\
api: orchestrator/v1
name: fact_check
version: 1.2.0
inputs: {text: {type: string}, deep: {type: boolean, default: false}}
outputs: {score: "${{ steps.judge.output.score }}"}
steps:
  claims:
    kind: agent
    model: small
    prompt: "List the claims of ${{ inputs.text }}"
    output: {type: array, items: {type: string}}
  look:
    kind: agent
    model: small
    foreach: {items: "${{ steps.claims.output }}", as: claim}
    with: {claim: "${{ claim }}"}
    prompt: "check ${{ with.claim }}"
  judge:
    kind: agent
    model: large
    needs: [look]
    prompt: score
    output: {type: object, required: [score], properties: {score: {type: number}}}
  deeper: {kind: agent, model: large, prompt: hi, when: inputs.deep}
"""


@pytest.fixture
def wide_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A console that folds nothing; it is made once a process, so that the next test gets its own again."""
    monkeypatch.setenv("COLUMNS", "220")
    stdout_console.cache_clear()
    yield
    stdout_console.cache_clear()


@pytest.fixture
def project(wide_page: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.orchestrator]\n")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "models.yaml").write_text(
        "small: {provider: openai, model: x, input_price: 1.0, output_price: 2.0, max_tokens: 100}\n"
        "large: {provider: openai, model: y, input_price: 10.0, output_price: 20.0, max_tokens: 1000}\n"
    )
    (tmp_path / "graphs").mkdir()
    (tmp_path / "graphs" / "report.yaml").write_text(REPORT)
    (tmp_path / "graphs" / "fact_check.yaml").write_text(FACT_CHECK)
    monkeypatch.delenv("ORCHESTRATOR_DATABASE_URL", raising=False)
    return tmp_path


def plan(project: Path, *arguments: str) -> Result:
    done = CliRunner().invoke(application, ["-C", str(project), "plan", "report", "--no-past", *arguments])
    assert done.exit_code == 0, done.output
    return done


def lines_of(output: str) -> list[str]:
    return [re.sub(r" {2,}", " | ", line.strip()) for line in output.splitlines()]


def test_the_table_shows_what_is_below_a_step_and_what_comes_last(project: Path) -> None:
    output = plan(project).output
    lines = lines_of(output)
    assert lines[0].endswith("4 steps in 4 waves, 1 in finally · nothing was started")
    rows = [line.split(" | ") for line in lines[3:13]]
    assert [row[:2] for row in rows] == [
        ["1", "write *"],
        ["2", "review *"],
        ["2.1", "claims *"],
        ["2.1", "deeper"],
        ["2.2", "look *"],
        ["2.3", "judge *"],
        ["3", "approve *"],
        ["4", "publish *"],
        ["finally"],
        ["5", "notify"],
    ]
    for line in (
        "2 | review * | workflow fact_check | - | write | up to 3 | 18 + 9 each | - "
        "| $0.0109 + $0.0002 each / $2.40 | -",
        "3 | approve * | human ada@example.org | - | review | - | - | - | - | - / 48 h 00 m",
        "pool agents | write, review/claims, review/look, review/judge, publish, notify: "
        "at most 33 + 9 for each item of review/look",
        "budget | $0.50, 500,000 tokens, 30 m 00 s; then the run pauses",
        "worst case is above the budget of $0.50: the run would pause",
        "asks a person | write: may be asked, after 3 invalid outputs: markdown; waits for ever",
        "approve: may be asked, ada@example.org: decision, note; expires after 48 h 00 m, then the step is skipped",
    ):
        assert line in lines, output


def test_the_table_says_where_the_figures_come_from(project: Path) -> None:
    sources = "\n".join(lines_of(plan(project).output))
    for words in (
        "repeat: until output.score > 0.8, 3 iterations at most · child runs at most: 3",
        "cost: the steps of fact_check, one iteration of 3 at most",
        "at worst: budget.usd of 0.8, 1 child run, 3 iterations at most",
        "time at worst: look: the number of its items is not known",
        "review/deeper | skipped: when is false with these inputs",
        "time at worst: waits for a person",
        "cost: a person answers",
    ):
        assert words in sources, sources


@pytest.mark.parametrize(
    ("budget", "line"),
    [
        (
            "{usd: 0.001, on_exceed: fail}",
            "trouble: the expected cost is above the budget of $0.0010: the run would fail",
        ),
        ("{usd: 9}", ""),
        ("{tokens: 10}", ""),
    ],
)
def test_what_is_above_the_budget_is_told(project: Path, budget: str, line: str) -> None:
    text = REPORT.replace("{usd: 0.50, tokens: 500000, wall: 30m}", budget)
    (project / "graphs" / "report.yaml").write_text(text)
    found = [each for each in lines_of(plan(project).output) if "above the budget" in each]
    assert found[:1] == ([line] if line else [])


def test_a_child_run_that_will_use_up_its_budget_is_a_trouble(project: Path) -> None:
    (project / "graphs" / "report.yaml").write_text(REPORT.replace("usd: 0.80", "usd: 0.001"))
    words = "trouble in each child run: the expected cost is above the budget of $0.0010: the run would pause"
    assert words in plan(project).output


def test_the_json_has_one_shape_at_every_level(project: Path) -> None:
    data = json.loads(plan(project, "--json").output)
    steps = {step["id"]: step for step in data["steps"]}
    review, child = steps["review"], steps["review"]["child"]
    assert set(data) - set(child) == {"past_runs"}
    assert list(child["steps"][0]) == list(review)
    assert (child["workflow"], child["version"], child["sha256"]) == tuple(review["uses"].values())
    assert child["inputs_not_given"] == ["text"]
    assert child["budget"]["usd"] == 0.8
    assert review["repeat"] == {"until": "output.score > 0.8", "max": 3}
    assert review["child_runs_at_most"]["value"] == 3
    assert review["attempts_at_most"]["more"] == {"look": 9}
    assert data["attempts_at_most"] == {"value": 33, "each": {"review/look": 9}, "without": []}
    assert [step["id"] for step in data["finally"]] == ["notify"]
    assert data["waves"][-1] == ["notify"]
    assert data["budget"] == {
        "usd": 0.5,
        "tokens": 500_000,
        "wall": 1800.0,
        "on_exceed": "pause",
        "above": {
            "usd": {"expected": None, "worst": True},
            "tokens": {"expected": None, "worst": None},
            "wall": {"expected": None, "worst": None},
        },
    }
    assert data["asks"] == ["write", "approve"]
    assert [rung["tries"] for rung in steps["write"]["ladder"]] == [3, 3, 1]


def test_the_json_of_a_question(project: Path) -> None:
    data = json.loads(plan(project, "--json").output)
    approve = next(step for step in data["steps"] if step["id"] == "approve")
    assert data["questions"][1] == approve["question"]
    assert {key: value for key, value in approve["question"].items() if key != "form"} == {
        "step": "approve",
        "sure": False,
        "after": [],
        "assignee": {"value": "ada@example.org", "reads": []},
        "fields": ["decision", "note"],
        "expires": {"after": 172_800.0, "then": "skip"},
        "times_at_most": {"value": 1, "each": False, "source": "at most"},
    }
    assert data["questions"][0]["after"] == ["3 invalid outputs"]


def test_mermaid_draws_child_runs_and_finally_as_groups(project: Path) -> None:
    first, *lines = plan(project, "--format", "mermaid").output.splitlines()
    assert first == "flowchart LR"
    assert all(any(kind.fullmatch(line) for kind in (NODE, EDGE, CLASS, GROUP)) for line in lines), lines
    nodes = {match[1] for line in lines if (match := NODE.fullmatch(line))}
    groups = [match[2] for line in lines if (match := GROUP.fullmatch(line))]
    assert [group for group in groups if group] == ["step_review", "step_FINALLY"]
    assert groups.count(None) == 2
    assert {"step_reviewINclaims", "step_approve", "step_notify"} < nodes
    edges = {(match[1], match[4]) for line in lines if (match := EDGE.fullmatch(line))}
    assert edges == {
        ("step_write", "step_review"),
        ("step_reviewINclaims", "step_reviewINlook"),
        ("step_reviewINlook", "step_reviewINjudge"),
        ("step_review", "step_approve"),
        ("step_approve", "step_publish"),
        ("step_publish", "step_FINALLY"),
    }
    assert '    step_approve[/"approve<br/>human ada@example.org"/]' in lines


def test_dot_draws_child_runs_and_finally_as_clusters(project: Path) -> None:
    read = DotReader(plan(project, "--format", "dot").output)
    assert read.groups == {"cluster/review", "cluster/FINALLY"}
    assert {"review", "review/look", "notify"} < read.nodes
    assert {("review", "review/claims"), ("review/look", "review/judge"), ("publish", "notify")} < read.edges


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_takes_clusters(project: Path) -> None:
    text = plan(project, "--format", "dot").output
    done = subprocess.run(["dot", "-Tplain"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(line.startswith("node ") for line in done.stdout.splitlines()) == 9


def nested(project: Path, levels: int) -> None:
    head = "api: orchestrator/v1\nname: {name}\nversion: 1.0.0\nsteps:\n"
    for level in range(levels):
        inner = f"  in{level}: {{kind: workflow, uses: ./level{level + 1}.yaml}}\n"
        name = "report" if level == 0 else f"level{level}"
        (project / "graphs" / f"{name}.yaml").write_text(head.format(name=name) + inner)
    last = head.format(name="last") + "  last: {kind: agent, model: small, prompt: hi}\n"
    (project / "graphs" / f"level{levels}.yaml").write_text(last)


def test_deep_child_runs_are_shown_to_a_limit_and_are_whole_in_json(project: Path) -> None:
    nested(project, 5)
    output = plan(project).output
    assert "1.1.1.1" in output
    assert "… 1 step" in output
    assert "in0/in1/in2/in3/in4/last: at most 3" in output
    data = json.loads(plan(project, "--json").output)
    for _ in range(5):
        data = data["steps"][0]["child"]
    assert data["steps"][0]["id"] == "last"
    assert len(DotReader(plan(project, "--format", "dot").output).nodes) == 4
    assert "step_in0INin1INin2INin3" in plan(project, "--format", "mermaid").output
