"""`finally`: what its steps may read of the others, and what they wait for."""

from __future__ import annotations

import pytest

from orchestrator.domain.policy import Timeouts
from orchestrator.workflow import Workflow, parse_workflow

HEAD = "api: orchestrator/v1\nname: w\n"
STEPS = "steps:\n  a: {kind: worker, worker: x}\n  b: {kind: worker, worker: x, needs: [a]}\n"


def load(endings: str, head: str = "") -> Workflow:
    return parse_workflow(f"{HEAD}{head}{STEPS}finally:\n{endings}", file="w.yaml", folder=None)


def ending(body: str) -> str:
    return f"  n: {{kind: worker, worker: x, {body}}}\n"


def test_what_is_pinned():
    workflow = load(ending("with: {status: '${{ run.status }}', id: '${{ run.id }}'}"))
    assert list(workflow.steps) == ["a", "b"]
    assert list(workflow.all_steps) == ["a", "b", "n"]
    step = workflow.finally_["n"]
    assert (step.with_["status"], step.needs, step.line) == ("${{ run.status }}", {}, 7)
    assert load(ending("priority: 1")).sha256 != load(ending("priority: 2")).sha256


@pytest.mark.parametrize(
    ("head", "body", "timeout"),
    [
        ("", "priority: 1", Timeouts(total=300.0)),
        ("", "timeout: 9s", Timeouts(attempt=9.0, total=300.0)),
        ("", "timeout: {total: 9s}", Timeouts(total=9.0)),
        ("defaults: {timeout: {attempt: 4s, total: 20m}}\n", "priority: 1", Timeouts(attempt=4.0, total=1200.0)),
        ("policies: {p: {timeout: {total: 7s}}}\n", "policy: p", Timeouts(total=7.0)),
    ],
)
def test_it_does_not_take_for_ever(head, body, timeout):
    assert load(ending(body), head).finally_["n"].timeout == timeout
    assert load(ending("priority: 1")).steps["a"].timeout == Timeouts()


@pytest.mark.parametrize(
    "body",
    [
        "with: {v: '${{ steps.a.status }}', w: '${{ steps.a.error }}'}",
        "when: steps.a.status == 'cancelled'",
        "when: \"run.status != 'succeeded' && run.status in ['failed', 'cancelled']\"",
        "with: {v: '${{ steps.a.status == \"succeeded\" ? steps.a.output.v : 0 }}'}",
        "when: steps.a.status == 'succeeded', with: {v: '${{ steps.a.output.v }}'}",
        "when: steps.a.status == 'succeeded' && steps.a.output.ok",
        "when: \"steps.b.status == 'succeeded'\", with: {v: '${{ steps.a.output.v }}'}",
        "when: \"!(steps.a.status in ['failed', 'skipped', 'cancelled'])\", with: {v: '${{ steps.a.output.v }}'}",
        "when: steps.a.status != 'succeeded' || steps.a.output.ok",
        "repeat: {until: steps.a.status != 'succeeded' || steps.a.output.v == output.v, max: 2}",
        "foreach: {items: '${{ steps.a.status == \"succeeded\" ? steps.a.output : [] }}', as: i}",
    ],
)
def test_a_guarded_reading(body):
    step = load(ending(body)).finally_["n"]
    assert step.needs == {}
    assert set(step.payloads) <= {"a"}
    assert set(step.refs) <= {"a", "b"}


def test_what_is_read_of_the_other_steps_is_loaded():
    body = "when: steps.b.status == 'failed', with: {v: '${{ steps.b.error.message }}', w: '${{ steps.a.status }}'}"
    step = load(ending(body)).finally_["n"]
    assert (set(step.refs), step.payloads) == ({"a", "b"}, ("b",))


def test_its_own_steps_wait_for_each_other_as_usual():
    second = "  m: {kind: worker, worker: x, with: {v: '${{ steps.n.output.v }}'}}\n"
    third = "  o: {kind: worker, worker: x, needs: {n: [succeeded, failed]}, when: steps.m.status != 'failed'}\n"
    steps = load(ending("priority: 1") + second + third).finally_
    assert steps["m"].needs == {"n": ("succeeded",)}
    assert steps["o"].needs == {"m": ("succeeded", "failed", "skipped"), "n": ("succeeded", "failed")}


def test_a_guard_of_one_step_of_finally_holds_in_another_that_needs_it():
    first = ending("when: steps.a.status == 'succeeded'")
    second = "  m: {kind: worker, worker: x, needs: [n], with: {v: '${{ steps.a.output.v }}'}}\n"
    assert load(first + second).finally_["m"].needs == {"n": ("succeeded",)}
