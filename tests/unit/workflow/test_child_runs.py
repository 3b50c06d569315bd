"""`kind: workflow`: the file that it names is read with the caller, typed against it, and pinned by its sha256."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.budget import Budget, OnExceed
from orchestrator.domain.policy import RetryPolicy, Timeouts
from orchestrator.domain.worker import RUN_WORKER, WorkerCard
from orchestrator.errors import WorkflowError
from orchestrator.workflow import load_workflow
from orchestrator.workflow.model import Callee

API = "api: orchestrator/v1\n"
CHECK = f"""{API}name: check
version: 1.2.0
inputs:
  text: {{type: string}}
  limit: {{type: integer, default: 3}}
  tags: {{type: array, items: {{type: string}}, default: []}}
outputs:
  score: ${{{{ steps.rate.output.score }}}}
  fixed: "${{{{ inputs.text }}}}!"
  about: {{name: x, all: "${{{{ steps.rate.output }}}}"}}
steps:
  rate: {{kind: worker, worker: rate, with: {{text: "${{{{ inputs.text }}}}"}}}}
"""
RATED = {"type": "object", "required": ["score"], "properties": {"score": {"type": "number"}}}
CATALOGUE = {
    "rate": WorkerCard("rate", output_schema=RATED),
    "x": WorkerCard("x"),
    "n": WorkerCard("n", input_schema={"type": "object", "properties": {"n": {"type": "integer"}}}),
}
CALL = "with: {text: hello}"


def caller(body: str = CALL, more: str = "", head: str = "") -> str:
    return f"{API}name: w\n{head}steps:\n  a: {{kind: workflow, uses: ./check.yaml, {body}}}\n{more}"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def load(folder: Path, files: dict[str, str]):
    write(folder, {"check.yaml": CHECK, **files})
    return load_workflow(folder / "w.yaml", catalogue=CATALOGUE, model_tiers=["small"])


def problems(folder: Path, files: dict[str, str]) -> list[str]:
    with pytest.raises(WorkflowError) as caught:
        load(folder, files)
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def test_what_is_pinned(tmp_path):
    head = "policies: {net: {retry: {max_attempts: 2}, timeout: {attempt: 9s, idle: 3s, total: 1m}}}\n"
    head += "defaults: {policy: net}\n"
    workflow = load(tmp_path, {"w.yaml": caller(f"{CALL}, timeout: {{total: 2m}}, priority: 3", head=head)})
    step, callee = workflow.steps["a"], workflow.callees[0]
    assert (step.kind, step.worker, step.pool, step.priority) == ("workflow", RUN_WORKER, "", 3)
    assert (callee.name, callee.version, len(workflow.callees)) == ("check", "1.2.0", 1)
    assert step.uses == Callee(name="check", version="1.2.0", sha256=callee.sha256)
    assert step.with_ == {"text": "hello"}
    assert (step.retry, step.timeout) == (RetryPolicy(max_attempts=2), Timeouts(total=120.0))
    assert callee.steps["rate"].worker == "rate"
    assert callee.folder == tmp_path
    assert callee.source == CHECK


def test_an_edited_callee_is_another_workflow(tmp_path):
    before = load(tmp_path, {"w.yaml": caller()})
    comment = load(tmp_path, {"check.yaml": "# a comment\n" + CHECK})
    edited = load(tmp_path, {"check.yaml": CHECK.replace("}}!", "}}?")})
    assert comment.sha256 == before.sha256
    assert edited.sha256 != before.sha256


def test_a_callee_of_a_callee_is_kept_with_its_caller(tmp_path):
    middle = caller(head="outputs: {score: '${{ steps.a.output.score }}'}\n").replace("name: w", "name: middle")
    top = f"{API}name: w\nsteps:\n  b: {{kind: workflow, uses: parts/middle.yaml}}\n"
    workflow = load(tmp_path, {"w.yaml": top, "parts/middle.yaml": middle, "parts/check.yaml": CHECK})
    (below,) = workflow.callees
    assert [below.name, *(each.name for each in below.callees)] == ["middle", "check"]


def test_a_file_that_is_used_twice_is_read_once(tmp_path):
    more = "  b: {kind: workflow, uses: parts/../check.yaml, with: {text: x}}\n"
    workflow = load(tmp_path, {"w.yaml": caller(more=more)})
    assert [each.name for each in workflow.callees] == ["check"]
    broken = CHECK.replace("worker: rate", "worker: rte")
    assert problems(tmp_path, {"check.yaml": broken}) == [
        "check.yaml:13:32: unknown worker 'rte' (did you mean 'rate'?)",
    ]


def test_callees_do_not_stand_in_the_definition(tmp_path):
    assert "callees" not in load(tmp_path, {"w.yaml": caller()}).to_json()


@pytest.mark.parametrize(
    ("own", "theirs", "pinned"),
    [
        ("{usd: 0.8}", "", Budget(usd=0.8)),
        ("{usd: 0.8, on_exceed: fail}", "", Budget(usd=0.8, on_exceed=OnExceed.FAIL)),
        ("{tokens: 10, wall: 1m}", "budget: {usd: 1, on_exceed: fail}\n",
         Budget(tokens=10, wall=60.0, on_exceed=OnExceed.FAIL)),
        ("{usd: 2, on_exceed: pause}", "budget: {usd: 1, on_exceed: fail}\n", Budget(usd=2.0)),
    ],
)  # fmt: skip
def test_the_budget_of_the_step_says_what_happens_if_it_says_so(tmp_path, own, theirs, pinned):
    files = {"w.yaml": caller(f"{CALL}, budget: {own}"), "check.yaml": CHECK.replace("inputs:", theirs + "inputs:")}
    assert load(tmp_path, files).steps["a"].budget == pinned


def test_the_budget_of_a_child_run_of_finally_never_pauses(tmp_path):
    ending = "finally:\n  z: {kind: workflow, uses: ./check.yaml, with: {text: x}, budget: {usd: 1}}\n"
    budget = load(tmp_path, {"w.yaml": caller(more=ending)}).finally_["z"].budget
    assert budget == Budget(usd=1.0, on_exceed=OnExceed.FAIL)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("priority: 1", ["4:29: workflow 'check' needs 'text' in 'with'"]),
        ("with: {txt: x}", ["4:50: workflow 'check' takes no 'txt' (did you mean 'text'?)"]),
        ("with: {text: x, more: y}", ["4:59: workflow 'check' takes no 'more' (known: limit, tags, text)"]),
        ("with: {text: 3}", ["4:56: 'text': 3 is not of type 'string'"]),
        ("with: {text: x, limit: \"${{ run.id }}\"}", ["4:66: 'limit' must be a number, this gives text"]),
        ("with: {text: x, limit: \"no ${{ run.id }}\"}",
         ["4:66: 'limit' must be integer, text with an expression inside is a string"]),
        ("with: {text: x, tags: [\"${{ [1] }}\"]}", ["4:66: 'tags[0]' must be text, this gives a list"]),
        (f"{CALL}, repeat: {{until: output.score > 0.8, max: 3, with: {{text: 3, limt: 1}}}}", [
            "4:121: 'text': 3 is not of type 'string'",
            "4:124: workflow 'check' takes no 'limt' (did you mean 'limit'?)",
        ]),
        (f"{CALL}, repeat: {{until: output.scre > 0.8, max: 3, with: {{limit: '${{{{ previous.output.fixed }}}}'}}}}", [
            "4:87: 'output' has no 'scre' (did you mean 'score'?)",
            "4:121: 'limit' must be a number, this gives text",
        ]),
        (f"{CALL}, repeat: {{until: output.fixed, max: 3}}", ["4:80: 'until' must be true or false, this gives text"]),
        (f"{CALL}, validate: [{{expr: output.about.nme == 'x'}}]",
         ["4:95: 'output.about' has no 'nme' (did you mean 'name'?)"]),
    ],
)  # fmt: skip
def test_with_is_typed_against_the_inputs_and_expressions_against_the_outputs(tmp_path, body, expected):
    assert problems(tmp_path, {"w.yaml": caller(body)}) == [f"w.yaml:{line}" for line in expected]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("steps.a.output.scre", ["5:62: the output of step 'a' has no 'scre' (did you mean 'score'?)"]),
        ("steps.a.output.score", []),
        ("steps.a.output.fixed", ["5:42: 'n' must be a number, this gives text"]),
        ("steps.a.output.about", ["5:42: 'n' must be a number, this gives a mapping"]),
        ("steps.a.output.about.all.score", []),
        ("steps.a.output.about.all.scre",
         ["5:72: 'steps.a.output.about.all' has no 'scre' (did you mean 'score'?)"]),
    ],
)  # fmt: skip
def test_the_output_has_the_shape_of_the_callees_outputs(tmp_path, value, expected):
    more = f"  b: {{kind: worker, worker: n, with: {{n: '${{{{ {value} }}}}'}}}}\n"
    files = {"w.yaml": caller(more=more)}
    if expected:
        assert problems(tmp_path, files) == [f"w.yaml:{line}" for line in expected]
    else:
        load(tmp_path, files)


def test_an_own_schema_of_the_output_counts_instead(tmp_path):
    body = f"{CALL}, output: {{type: object, properties: {{score: {{type: string}}}}}}"
    more = "  b: {kind: worker, worker: n, with: {n: '${{ steps.a.output.score }}'}}\n"
    assert problems(tmp_path, {"w.yaml": caller(body, more)}) == ["w.yaml:5:42: 'n' must be a number, this gives text"]


def test_for_each_item_a_child_run_and_a_list_of_their_outputs(tmp_path):
    body = 'foreach: {items: [x, y], as: t}, with: {text: "${{ t }}"}'
    more = "  b: {kind: worker, worker: x, with: {n: '${{ steps.a.output.map(r, r.scre) }}'}}\n"
    assert problems(tmp_path, {"w.yaml": caller(body, more)}) == [
        "w.yaml:5:71: 'r' has no 'scre' (did you mean 'score'?)"
    ]


def asking(body: str) -> str:
    return f"{API}name: ask\nsteps:\n  q: {{{body}}}\n"


USES = "steps:\n  a: {kind: workflow, uses: "
FINALLY = f"{API}name: w\nsteps: {{a: {{kind: worker, worker: x}}}}\nfinally:\n  z: {{kind: workflow, uses: "
ASKS = "w.yaml:5:29: 'finally' does not wait for people, and step 'q' of workflow 'ask' asks one"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"w.yaml": f"{API}name: w\n{USES}./chck.yaml}}\n"},
         ["w.yaml:4:29: cannot read './chck.yaml': no such file or directory"]),
        ({"w.yaml": f"{API}name: w\n{USES}., with: {{a: 1}}}}\n"}, ["w.yaml:4:29: cannot read '.': is a directory"]),
        ({"w.yaml": f"{API}name: w\n{USES}\"a\\0b\"}}\n"}, ["w.yaml:4:29: cannot read 'a\0b': embedded null byte"]),
        ({"w.yaml": caller(), "check.yaml": "# nothing\n"}, ["check.yaml:1:1: the file is empty"]),
        ({"w.yaml": caller(), "check.yaml": "- a\n"}, ["check.yaml:1:1: a workflow must be a mapping, this is a list"]),
        ({"w.yaml": caller(), "check.yaml": "a: [1\n"}, ["check.yaml:2:1: not YAML: did not find expected ',' or ']'"]),
        ({"w.yaml": caller(), "check.yaml": f"{API}policies: {{}}\n"}, [
            "check.yaml:1:1: the workflow needs 'name' (name: my_workflow)",
            "check.yaml:1:1: the workflow needs 'steps'",
        ]),
        ({"w.yaml": caller("with: {txt: 1}"), "check.yaml": CHECK.replace("inputs.text", "inputs.txt")}, [
            "check.yaml:10:22: unknown input 'txt' (did you mean 'text'?)",
            "check.yaml:13:63: unknown input 'txt' (did you mean 'text'?)",
        ]),
        ({"w.yaml": f"{API}name: w\n{USES}w.yaml}}\n"}, ["w.yaml:4:29: workflows use each other: w.yaml → w.yaml"]),
        ({"w.yaml": f"{API}name: w\n{USES}b.yaml}}\n", "b.yaml": f"{API}name: b\n{USES}./w.yaml}}\n"},
         ["b.yaml:4:29: workflows use each other: w.yaml → b.yaml → w.yaml"]),
        ({"w.yaml": f"{API}name: w\n{USES}b.yaml}}\n", "b.yaml": f"{API}name: b\n{USES}c.yaml}}\n",
          "c.yaml": f"{API}name: c\n{USES}b.yaml}}\n"},
         ["c.yaml:4:29: workflows use each other: b.yaml → c.yaml → b.yaml"]),
        ({"w.yaml": f"{FINALLY}ask.yaml}}\n", "ask.yaml": asking("kind: human, form: {}")}, [ASKS]),
        ({"w.yaml": f"{FINALLY}ask.yaml}}\n",
          "ask.yaml": asking("kind: worker, worker: x, on_error: [{do: escalate, to: human}]")}, [ASKS]),
        ({"w.yaml": f"{FINALLY}mid.yaml}}\n", "mid.yaml": f"{API}name: mid\n{USES}ask.yaml}}\n",
          "ask.yaml": asking("kind: human, form: {}")}, [ASKS]),
    ],
    ids=[
        "missing", "folder", "null", "empty", "list", "broken", "no workflow", "mistakes", "itself", "circle",
        "circle below", "asks in finally", "escalates in finally", "asks below finally",
    ],
)  # fmt: skip
def test_mistakes_have_their_place_in_the_file_where_they_are(tmp_path, files, expected):
    assert problems(tmp_path, files) == expected


def chain(length: int) -> dict[str, str]:
    """So many workflows, each of which runs the next."""
    files = {f"c{i}.yaml": f"{API}name: c{i}\n{USES}c{i + 1}.yaml}}\n" for i in range(1, length)}
    return {**files, f"c{length}.yaml": f"{API}name: c{length}\nsteps: {{a: {{kind: worker, worker: x}}}}\n"}


def test_eight_levels_are_deep_enough(tmp_path):
    first = {"w.yaml": f"{API}name: w\n{USES}c1.yaml}}\n"}
    workflow = load(tmp_path, {**first, **chain(7)})
    names = []
    while workflow.callees:
        (workflow,) = workflow.callees
        names.append(workflow.name)
    assert names == [f"c{i}" for i in range(1, 8)]
    assert problems(tmp_path, {**first, **chain(8)}) == [
        "c7.yaml:4:29: workflows use each other more than 8 levels deep"
    ]


def test_a_file_that_was_read_before_is_not_too_deep_unnoticed(tmp_path):
    files = chain(7)
    both = f"{API}name: w\n{USES}c2.yaml}}\n  b: {{kind: workflow, uses: c0.yaml}}\n"
    files |= {"c0.yaml": f"{API}name: c0\n{USES}c1.yaml}}\n", "w.yaml": both}
    assert problems(tmp_path, files) == ["c1.yaml:4:29: workflows use each other more than 8 levels deep"]


def test_one_load_opens_a_hundred_files_at_most(tmp_path):
    steps = "".join(f"  s{i}: {{kind: workflow, uses: c{i}.yaml}}\n" for i in range(102))
    small = f"{API}name: c\nsteps: {{a: {{kind: worker, worker: x}}}}\n"
    files = {f"c{i}.yaml": small for i in range(102)}
    assert problems(tmp_path, {**files, "w.yaml": f"{API}name: w\nsteps:\n{steps}"}) == [
        "w.yaml:104:32: more than 100 files are used",
        "w.yaml:105:32: more than 100 files are used",
    ]


def test_outputs_that_branch_at_every_level_are_compared_in_bounded_time(tmp_path):
    tree = "{type: object, properties: {" + ", ".join(f"k{i}: {{$ref: '#'}}" for i in range(30)) + "}}"
    twice = "{" + ", ".join(f'k{i}: "${{{{ steps.a.output }}}}"' for i in range(30)) + "}"
    files = {f"c{i}.yaml": f"{API}name: c{i}\noutputs: {twice}\n{USES}c{i + 1}.yaml}}\n" for i in range(1, 6)}
    files["c6.yaml"] = f"{API}name: c6\nsteps: {{a: {{kind: worker, worker: x}}}}\n"
    files["tree.yaml"] = f"{API}name: tree\ninputs: {{t: {tree}}}\nsteps: {{a: {{kind: worker, worker: x}}}}\n"
    more = "  b: {kind: workflow, uses: tree.yaml, with: {t: '${{ steps.a.output }}'}}\n"
    files["w.yaml"] = f"{API}name: w\n{USES}c1.yaml}}\n{more}"
    assert len(load(tmp_path, files).callees) == 2
