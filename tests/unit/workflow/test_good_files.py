"""What a correct file becomes: every default filled in, every name resolved, plain JSON both ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.domain.policy import Backoff, ErrorRule, Remedy, RemedyKind, RetryPolicy, RuleKind, Timeouts
from orchestrator.domain.worker import AGENT_POOL, AGENT_WORKER, DEFAULT_POOL, VALIDATOR_POOL, WorkerCard, WorkerKind
from orchestrator.workflow import ForeachSpec, ModelTier, ValidatorSpec, Workflow, load_workflow, parse_workflow, waves

PATH = Path(__file__).parent / "research.yaml"
CARDS = (
    WorkerCard("research.search", pool="research", timeout=90.0),
    WorkerCard("research.plain", pool="research"),
    WorkerCard("cms.publish"),
    WorkerCard("research.links_alive", kind=WorkerKind.VALIDATOR, pool="net", timeout=5.0),
)
CATALOGUE = {card.name: card for card in CARDS}
HEAD = "api: orchestrator/v1\nname: w\n"


@pytest.fixture(scope="module")
def workflow():
    return load_workflow(PATH, catalogue=CATALOGUE, model_tiers=["local", "big"])


def one_step(body: str, *, head: str = "", **known) -> object:
    text = f"{HEAD}{head}steps:\n  a: {{kind: worker, worker: x, {body}}}\n"
    return parse_workflow(text, file="w.yaml", folder=None, **known).steps["a"]


def test_the_head(workflow):
    assert (workflow.name, workflow.version, workflow.description) == ("research_report", "2.1.0", "Finds and writes.")
    assert workflow.models == {
        "small": ModelTier(model="local", price_cap_usd=0.05),
        "large": ModelTier(model="big", price_cap_usd=None),
    }
    assert list(workflow.steps) == ["plan", "search", "write", "publish"]
    assert workflow.output_refs == ("write",)
    assert waves(workflow) == [["plan"], ["search"], ["write"], ["publish"]]


def test_an_agent(workflow):
    plan = workflow.steps["plan"]
    assert (plan.kind, plan.worker, plan.pool, plan.model, plan.price_cap_usd) == (
        "agent", AGENT_WORKER, AGENT_POOL, "local", 0.05,
    )  # fmt: skip
    assert plan.prompt == "Split ${{ inputs.topic }}\ninto ${{ inputs.max_sources }} questions.\n"
    assert plan.needs == {}
    assert plan.line == 24


def test_an_agent_with_tools():
    text = f"{HEAD}steps:\n  a: {{kind: agent, model: small, prompt: hi, tools: [research.search, sum]{{0}}}}\n"
    cards = {**CATALOGUE, "sum": WorkerCard("sum", kind=WorkerKind.TOOL, pool="")}
    plain = parse_workflow(text.replace("{0}", ""), file="w.yaml", folder=None, catalogue=cards).steps["a"]
    assert (plain.tools, plain.max_turns) == (("research.search", "sum"), 8)
    few = parse_workflow(text.replace("{0}", ", max_turns: 2"), file="w.yaml", folder=None).steps["a"]
    assert few.max_turns == 2


def test_a_worker_with_foreach(workflow):
    search = workflow.steps["search"]
    assert (search.worker, search.pool, search.secrets, search.priority) == (
        "research.search", "research", ("SEARCH_KEY",), 3,
    )  # fmt: skip
    assert search.foreach == ForeachSpec(
        items="${{ steps.plan.output.questions }}", as_="q", max_parallel=4, on_item_error="collect", min_success=0.6
    )
    assert search.with_ == {"query": "${{ q }}", "limit": 5}
    assert search.needs == {"plan": ("succeeded",)}


def test_what_to_do_when_something_goes_wrong(workflow):
    write = workflow.steps["write"]
    assert write.validators == (
        ValidatorSpec(name="cited", expr="size(output.citations) >= 3", message="need at least 3 citations"),
        ValidatorSpec(name="research.links_alive", worker="research.links_alive", pool="net", timeout=5.0),
    )
    assert write.on_invalid == (
        Remedy(RemedyKind.REVISE, times=2),
        Remedy(RemedyKind.ESCALATE, model="big"),
        Remedy(RemedyKind.ESCALATE, worker="research.plain", pool="research"),
        Remedy(RemedyKind.CONTINUE),
    )
    assert workflow.steps["publish"].on_error == (
        ErrorRule(RuleKind.CONTINUE, 'error.code == "duplicate"', output={"url": "existing"}),
        ErrorRule(RuleKind.FAIL),
    )


def test_policies_are_overlaid_field_by_field(workflow):
    net = RetryPolicy(4, ("rate_limit", "timeout"), Backoff(initial=1.0, factor=3.0))
    assert workflow.steps["plan"].retry == net
    assert workflow.steps["plan"].timeout == Timeouts(attempt=60.0, total=300.0)
    assert workflow.steps["search"].retry == RetryPolicy(2, ("rate_limit", "timeout"), Backoff(initial=1.0, factor=3.0))
    assert workflow.steps["search"].timeout == Timeouts(attempt=30.0, idle=10.0, total=300.0)
    assert workflow.steps["write"].timeout == Timeouts(attempt=1.5, total=300.0)


def test_a_workers_own_timeout_is_the_weakest():
    card = {"x": WorkerCard("x", timeout=7.0)}
    assert one_step("priority: 1", catalogue=card).timeout == Timeouts(attempt=7.0)
    assert one_step("timeout: {idle: 1s}", catalogue=card).timeout == Timeouts(attempt=7.0, idle=1.0)
    assert one_step("timeout: 3s", catalogue=card).timeout == Timeouts(attempt=3.0)
    assert one_step("priority: 1", head="defaults: {timeout: 2m}\n", catalogue=card).timeout == Timeouts(attempt=120.0)


def test_without_a_catalogue_names_are_taken_as_they_are():
    step = one_step("validate: [{worker: v}], on_invalid: [{do: escalate, worker: y}]")
    assert (step.worker, step.pool) == ("x", DEFAULT_POOL)
    assert step.validators == (ValidatorSpec(name="v", worker="v", pool=VALIDATOR_POOL),)
    assert step.on_invalid == (Remedy(RemedyKind.ESCALATE, worker="y", pool=DEFAULT_POOL),)
    assert one_step("pool: gpu").pool == "gpu"


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ("with: {v: '${{ steps.b.output }}'}", {"b": ("succeeded",)}),
        ("when: steps.b.status == 'failed'", {"b": ("succeeded", "failed", "skipped")}),
        ("when: steps.b.status == 'skipped' || steps.b.output.ok", {"b": ("succeeded", "skipped")}),
        ("with: {v: '${{ steps.b.status == \"succeeded\" ? steps.b.output : 0 }}'}", {"b": ("succeeded", "skipped")}),
        ("when: steps.b.status != 'skipped', with: {v: '${{ steps.b.output }}'}", {"b": ("succeeded", "skipped")}),
        ("when: steps.b.status == 'skipped' || steps.b.output.ok, needs: [b]", {"b": ("succeeded",)}),
        ("with: {v: '${{ steps[\"b\"].output }}'}", {"b": ("succeeded",)}),
        ("needs: [b]", {"b": ("succeeded",)}),
        ("needs: {b: [failed]}, with: {v: '${{ steps.b.error.code }}'}", {"b": ("failed",)}),
        ("needs: [c], when: steps.b.output", {"b": ("succeeded",), "c": ("succeeded",)}),
        ("validate: [{expr: output == steps.b.output}]", {"b": ("succeeded",)}),
        ("on_error: [{if: steps.b.output.lenient, do: skip}]", {"b": ("succeeded",)}),
        ("idempotency_key: '${{ steps.b.output.id }}'", {"b": ("succeeded",)}),
        ("foreach: {items: '${{ steps.b.output }}', as: q}", {"b": ("succeeded",)}),
        ("with: {v: 'steps.b.output'}", {}),
        ("with: {v: '$${{ steps.b.output }}'}", {}),
    ],
)
def test_dependencies_are_inferred_and_needs_decides(body, needs):
    text = f"{HEAD}steps:\n  a: {{kind: worker, worker: x, {body}}}\n"
    text += "  b: {kind: worker, worker: x}\n  c: {kind: worker, worker: x}\n"
    step = parse_workflow(text, file="w.yaml", folder=None).steps["a"]
    assert step.needs == needs


def test_only_what_is_read_has_to_be_loaded():
    text = f"{HEAD}outputs: {{x: '${{{{ steps.b.output }}}}'}}\nsteps:\n"
    text += "  a: {kind: worker, worker: x, when: steps.b.status == 'failed', with: {v: '${{ steps.c.output }}'}}\n"
    text += "  b: {kind: worker, worker: x}\n  c: {kind: worker, worker: x, needs: [b]}\n"
    workflow = parse_workflow(text, file="w.yaml", folder=None)
    assert workflow.steps["a"].refs == ("c", "b")
    assert workflow.steps["a"].payloads == ("c",)
    assert workflow.steps["c"].refs == ()
    assert workflow.output_refs == ("b",)


def test_it_is_plain_json_both_ways(workflow):
    data = json.loads(json.dumps(workflow.to_json()))
    assert Workflow.from_json(data).to_json() == workflow.to_json()
    assert Workflow.from_json(data).steps == workflow.steps


def test_the_sha256_pins_what_runs_and_nothing_else():
    def digest(text: str, **known) -> str:
        return parse_workflow(text, file="w.yaml", folder=None, **known).sha256

    text = HEAD + "steps:\n  a: {kind: worker, worker: x}\n"
    assert len(digest(text)) == 64
    assert digest("# a comment\n" + text) == digest(text)
    assert digest(text + "    # another\n") == digest(text)
    assert digest(text.replace("worker: x", "worker: y")) != digest(text)
    assert digest(text, catalogue={"x": WorkerCard("x", pool="other")}) != digest(text)


def test_yaml_1_2_words_are_text():
    step = one_step("with: {on: yes, off: no, time: 12:30:45, day: 2001-01-01, big: 1_000, octal: 0o17, hex: 0x1f}")
    assert step.with_ == {
        "on": "yes", "off": "no", "time": "12:30:45", "day": "2001-01-01", "big": "1_000", "octal": 15, "hex": 31,
    }  # fmt: skip


def test_from_yaml_needs_no_file():
    workflow = Workflow.from_yaml(HEAD + "steps:\n  a: {kind: worker, worker: x}\n")
    assert workflow.version == "0"
    assert workflow.steps["a"].retry == RetryPolicy()


def test_five_hundred_steps_load_in_bounded_time():
    import time

    steps = "".join(
        f"  s{i}:\n    kind: worker\n    worker: x\n    with: {{v: '${{{{ steps.s{i - 1}.output.v }}}}'}}\n"
        for i in range(1, 500)
    )
    text = HEAD + "steps:\n  s0: {kind: worker, worker: x}\n" + steps
    began = time.process_time()
    workflow = parse_workflow(text, file="w.yaml", folder=None)
    assert time.process_time() - began < 1.5, "about 0.1 s on an idle machine"
    assert len(waves(workflow)) == 500
