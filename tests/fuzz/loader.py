"""Documents, texts and expressions for the workflow loader, and what must hold whatever they are."""

from __future__ import annotations

import atexit
import shutil
import string
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.domain.worker import Catalogue, WorkerCard, WorkerKind
from orchestrator.errors import WorkflowError
from orchestrator.workflow import Workflow, parse_workflow
from orchestrator.workflow.editor_schema import SECTIONS, editor_schema
from orchestrator.workflow.language import KINDS, STEP, WORKFLOW
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.schema_reader import KEYWORDS, TYPES
from orchestrator.workflow.yaml_nodes import json_of, read_yaml

ROOT = Path(__file__).parents[2]
SEEDS = [
    path.read_text(encoding="utf-8")
    for path in (
        ROOT / "tests/unit/workflow/research.yaml",
        ROOT / "tests/examples/research_report/fact_check.yaml",
        *sorted((ROOT / "graphs").glob("*.yaml")),
        *sorted((ROOT / "tests/unit/workflow/bad_files").glob("*.yaml")),
    )
]
GOOD = 4
"""So many of the seeds have no mistakes."""
ROW = {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/Row"}}, "required": ["n"]}
CATALOGUE: Catalogue = {
    "x": WorkerCard(
        "x",
        input_schema={
            "type": "object",
            "properties": {"a": {"type": "integer"}, "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}}},
            "$defs": {"Row": ROW},
        },
        output_schema={"$ref": "#/$defs/Row", "$defs": {"Row": ROW}},
    ),
    "v": WorkerCard("v", kind=WorkerKind.VALIDATOR),
}
LONGEST_MESSAGE = 1_500
CHILDREN = {
    "child.yaml": """\
api: orchestrator/v1
name: child
inputs: {a: {type: integer, default: 1}, rows: {type: array, items: {type: object}, default: []}}
outputs: {n: "${{ inputs.a }}", text: "${{ steps.x.output.next }}"}
steps: {x: {kind: worker, worker: x}}
""",
    "asks.yaml": "api: orchestrator/v1\nname: asks\nsteps: {q: {kind: human, form: {}}}\n",
    "back.yaml": "api: orchestrator/v1\nname: back\nsteps: {b: {kind: workflow, uses: w.yaml}}\n",
    "bad.yaml": "api: orchestrator/v1\nname: bad\nsteps: {b: {kind: worker, worker: 3}}\n",
}
"""Workflows that steps may run: a sound one, one that asks a person, one that runs its caller, one with a mistake."""

GIVEN: dict[str, Any] = {
    "inputs": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/Row", "$defs": {"Row": ROW}}},
    "secrets": ["K"],
    "policies": {"net": {"timeout": "3s"}},
    "validators": {"cited": {"expr": "output != null"}},
}


def expressions() -> st.SearchStrategy[str]:
    """CEL, mostly sound: paths, guards, macros, conditionals."""
    steps = st.sampled_from("abcz")
    paths = st.one_of(
        st.builds("steps.{}.output".format, steps),
        st.builds("steps.{}.output.{}".format, steps, st.sampled_from(["n", "next.n", "next.next", "m", "text"])),
        st.builds("steps.{}.status".format, steps),
        st.builds("steps.{}.error.code".format, steps),
        st.sampled_from(
            [
                "inputs.a",
                "inputs.b.c",
                "run.id",
                "run.no",
                "run.status",
                "item.n",
                "index",
                "output.n",
                "error.code",
                "previous.output.n",
                "iteration",
            ]
        ),
        st.sampled_from(["1", "1.5", "'t'", "true", "null", "[1, 2]", "{'n': 1}", "'succeeded'", "secrets.K", "x"]),
    )
    tests = st.builds(
        "steps.{}.status {} '{}'".format,
        steps,
        st.sampled_from(["==", "!="]),
        st.sampled_from(["succeeded", "failed", "skipped", "cancelled", "nope"]),
    )

    def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||", "==", "+", "<", "in", "-"]), inner),
            st.builds("{} ? {} : {}".format, inner, inner, inner),
            st.builds("!({})".format, inner),
            st.builds("size({})".format, inner),
            st.builds("has({})".format, inner),
            st.builds("{}.{}(q, {})".format, inner, st.sampled_from(["map", "filter", "exists", "all"]), inner),
            st.builds("{}[{}]".format, inner, inner),
            st.builds("[{}, {}]".format, inner, inner),
            st.builds("{{'k': {}}}.k".format, inner),
            st.builds("{}.n".format, inner),
        )

    return st.recursive(paths | tests | st.text(string.printable, max_size=12), deeper, max_leaves=6)


def _sound(names: str) -> st.SearchStrategy[str]:
    """CEL of true or false that reads only what is there: the inputs, and the steps of these names."""
    atoms = st.sampled_from(["inputs.a > 1", "inputs.b.n == 1", "has(inputs.b.next)", "run.id == 'x'"])
    if names:
        step = st.sampled_from(names)
        atoms |= st.builds("steps.{}.output.n > 1".format, step)
        atoms |= st.builds("steps.{}.status == '{}'".format, step, st.sampled_from(["succeeded", "failed", "skipped"]))
    return st.recursive(
        atoms,
        lambda inner: (
            st.builds("({} {} {})".format, inner, st.sampled_from(["&&", "||", "=="]), inner)
            | st.builds("({} ? {} : {})".format, inner, inner, inner)
        ),
        max_leaves=4,
    )


def _ends() -> st.SearchStrategy[str]:
    """CEL of true or false as `finally` may say it: outputs behind a guard."""
    step = st.sampled_from("abc")
    return st.one_of(
        st.sampled_from(["run.status == 'failed'", "run.status != 'cancelled'", "inputs.a > 1"]),
        st.builds("steps.{}.status != 'cancelled'".format, step),
        st.builds("steps.{0}.status == 'succeeded' && steps.{0}.output != null".format, step),
    )


def _steps(bare: st.SearchStrategy[str], values: st.SearchStrategy[Any], name: str = "") -> st.SearchStrategy[Any]:
    """A step whose conditions are `bare` and whose values are `values`; one with a name needs those before it."""
    before = "abc"[: "abc".index(name)] if name in "abc" else "abc" if name else "abcz"
    outcomes = st.lists(st.sampled_from(["succeeded", "failed", "skipped"]), min_size=1, max_size=2)
    needs = st.dictionaries(st.sampled_from(before), outcomes, max_size=2) if before and name != "z" else st.just([])
    with_ = st.dictionaries(st.just("rows" if name else "a"), st.just([]) | values, max_size=2)
    rules = st.lists(st.fixed_dictionaries({"do": st.sampled_from(["skip", "continue", "fail"])}), max_size=1)
    persons = st.just([{"do": "escalate", "to": "human"}])
    common: dict[str, st.SearchStrategy[Any]] = {
        "needs": needs,
        "when": bare,
        "with": with_,
        "validate": st.lists(st.builds(lambda expr: {"expr": expr}, bare) | st.just("cited"), max_size=2),
        "on_error": rules,
    }
    foreach = st.fixed_dictionaries(
        {"items": st.just([{"n": 1}]) | (st.nothing() if name else values), "as": st.just("item")}
    )
    work = {
        **common,
        "on_error": rules if name == "z" else rules | persons,
        "policy": st.just("net"),
        "output": st.just({"$ref": "#/$defs/Row", "$defs": {"Row": ROW}}),
    }
    repeat = st.fixed_dictionaries({"until": bare, "max": st.integers(1, 3)}, optional={"with": with_})
    again = {**work, "repeat": repeat}
    worker = {"kind": st.just("worker"), "worker": st.just("x")}
    uses = st.just("child.yaml") if name else st.sampled_from(sorted(CHILDREN))
    budget = st.fixed_dictionaries({"usd": st.just(0.5)}, optional={"on_exceed": st.just("fail")})
    expires = st.fixed_dictionaries({"after": st.just("2h")}, optional={"then": st.sampled_from(["skip", "fail"])})
    kinds = [
        st.fixed_dictionaries(worker, optional={**work, "foreach": foreach, "secrets": st.just(["K"])}),
        st.fixed_dictionaries(worker, optional=again),
        st.fixed_dictionaries({"kind": st.just("workflow"), "uses": uses}, optional={**again, "budget": budget}),
        st.fixed_dictionaries(
            {"kind": st.just("human"), "form": st.just({"type": "object", "properties": {"n": {"type": "integer"}}})},
            optional={**common, "assignee": st.just("${{ run.id }}"), "expires": expires},
        ),
    ]
    return st.one_of(kinds[:3] if name == "z" else kinds)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Workflows of known keys with values that often fit."""
    bare = expressions()
    texts = st.builds("${{{{ {} }}}}".format, bare) | st.builds("a ${{{{ {} }}}} b".format, bare)
    scalars = texts | bare | st.sampled_from([
        None, True, False, 0, 1, -1, 1.5, 10**30, "", "a", "b", "x", "v", "small", "fail", "revise", "escalate", "3s",
        "collect", "worker", "agent", "workflow", "human", "pause", "downgrade", "child.yaml",
        "string", "object", "succeeded", "skipped", "net", "cited", "K", "on", "012",
        "${{ item }", "#/$defs/a", "#",
    ])  # fmt: skip
    keys = st.sampled_from([
        *STEP, *(key for section in KINDS.values() for key in section), *KEYWORDS, *TYPES,
        *(key for section in SECTIONS.values() for key in section), "a", "b", "c", "x", "n", "rows",
    ])  # fmt: skip
    values = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=10
    )
    steps = _steps(bare, texts | values)
    fixed = {"api": st.just("orchestrator/v1"), "name": st.just("w")}
    sound = st.fixed_dictionaries(
        {
            **fixed,
            "steps": st.fixed_dictionaries(
                {
                    name: _steps(_sound("abc"[:at]), _sound("abc"[:at]).map("${{{{ {} }}}}".format), name)
                    for at, name in enumerate("abc")
                }
            ),
        },
        optional={
            "outputs": st.dictionaries(st.sampled_from("abc"), _sound("abc").map("${{{{ {} }}}}".format), max_size=2),
            "budget": st.just({"usd": 3, "on_exceed": "fail"}) | st.just({"wall": "1h"}),
            "finally": st.fixed_dictionaries({"z": _steps(_ends(), _ends().map("${{{{ {} }}}}".format), "z")}),
        },
    ).map(lambda document: {**document, **GIVEN})
    wild = st.fixed_dictionaries(
        {
            **fixed,
            "steps": st.dictionaries(
                st.sampled_from("abc"), steps | st.dictionaries(keys, values, max_size=6) | values, max_size=3
            ),
        },
        optional={
            "finally": st.dictionaries(st.sampled_from("az"), steps | values, max_size=2),
            **{key: values for key in WORKFLOW if key not in ("api", "name", "steps", "finally")},
            "inputs": st.dictionaries(
                st.sampled_from("ab"),
                st.dictionaries(st.sampled_from(KEYWORDS), values, max_size=3) | values,
                max_size=2,
            ),
            "policies": st.just({"net": {"timeout": "3s"}}) | values,
            "validators": st.builds(lambda expr: {"cited": {"expr": expr}}, bare) | values,
        },
    )
    return sound | wild


@st.composite
def changed_files(draw: st.DrawFn) -> str:
    """A file, good or bad, with a few characters changed."""
    text = draw(st.sampled_from(SEEDS[:GOOD]) | st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.integers(0, 8))
        new = draw(st.text(st.sampled_from("{}[]:,-\n '\"$#&*!|>%@`~a1.?() \t"), max_size=5) | st.text(max_size=3))
        text = text[:at] + new + text[at + gone :]
    return text


def load_document(document: Any) -> None:
    """Load what YAML writes of a document."""
    load(yaml.safe_dump(document, sort_keys=False), CATALOGUE)


def load(text: str, catalogue: Catalogue | None = None) -> None:
    """Load a text: a workflow, which fits the editors' schema too, or mistakes with places in the text."""
    try:
        workflow = parse_workflow(text, file="w.yaml", folder=_folder(), catalogue=catalogue)
    except WorkflowError as error:
        assert error.problems
        last = sum(map(text.count, "\n\r\x85\u2028\u2029")) + 2
        own = [problem for problem in error.problems if problem.file == "w.yaml"]
        assert all(1 <= problem.line <= last and problem.column >= 1 for problem in own)
        assert all(len(str(problem)) < LONGEST_MESSAGE for problem in error.problems)
        assert len(set(error.problems)) == len(error.problems)
        return
    assert Workflow.from_json(workflow.to_json()).to_json() == workflow.to_json()
    node = read_yaml(text, Problems("w.yaml", text))
    assert node is not None
    refused = [error.message for error in _editor().iter_errors(json_of(node))]
    assert not refused, refused


@cache
def _folder() -> Path:
    """A folder with the files that documents and seeds may name."""
    folder = Path(mkdtemp(prefix="orchestrator-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(ROOT / "graphs/prompts", folder / "prompts")
    for name, text in CHILDREN.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@cache
def _editor() -> Draft202012Validator:
    return Draft202012Validator(editor_schema())
