"""Guards: what a step that may be skipped asks of those who read its output, and what its readers then wait for."""

from __future__ import annotations

import time

import pytest

from orchestrator.errors import WorkflowError
from orchestrator.workflow import Workflow, parse_workflow

HEAD = "api: orchestrator/v1\nname: w\n"
SKIPPED = "  s: {kind: worker, worker: x, when: run.id == 'x'}\n"


def load(steps: str, head: str = "") -> Workflow:
    return parse_workflow(f"{HEAD}{head}steps:\n{SKIPPED}{steps}", file="w.yaml", folder=None)


def reader(body: str) -> str:
    return f"  a: {{kind: worker, worker: x, {body}}}\n"


ASKS = "steps.s.status == 'succeeded'"
READS = "with: {v: '${{ steps.s.output.n }}'}"


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        (f"needs: [s], {READS}", ("succeeded",)),
        (f"when: steps.s.status == 'succeeded', {READS}", ("succeeded", "skipped")),
        (f"when: \"'succeeded' == steps.s.status\", {READS}", ("succeeded", "skipped")),
        (f"when: \"steps.s.status in ['succeeded']\", {READS}", ("succeeded", "skipped")),
        (f"when: steps.s.status != 'skipped' && run.id != '', {READS}", ("succeeded", "skipped")),
        (f"when: \"!(steps.s.status == 'skipped')\", {READS}", ("succeeded", "skipped")),
        (f"when: \"!(steps.s.status == 'skipped' || run.id == '')\", {READS}", ("succeeded", "skipped")),
        ("when: steps.s.status != 'succeeded' || steps.s.output.n > 1", ("succeeded", "skipped")),
        ("when: steps.s.status == 'succeeded' && steps.s.output.n > 1", ("succeeded", "skipped")),
        (f"with: {{v: \"${{{{ {ASKS} ? steps.s.output.n : 0 }}}}\"}}", ("succeeded", "skipped")),
        (f"needs: {{s: [succeeded, failed]}}, with: {{v: \"${{{{ {ASKS} ? steps.s.output.n : 0 }}}}\"}}",
         ("succeeded", "failed")),
        ("with: {v: '${{ steps.s.status }}'}", ("succeeded", "failed", "skipped")),
    ],
)  # fmt: skip
def test_a_guarded_reader_starts_where_its_guard_says_what_to_do(body, needs):
    assert load(reader(body)).steps["a"].needs == {"s": needs}


@pytest.mark.parametrize(
    "body",
    [
        READS,
        f"when: steps.s.status == 'succeeded' || run.id == '', {READS}",
        f"when: run.id == 'x', {READS}",
        f'with: {{v: "${{{{ {ASKS} ? 0 : steps.s.output.n }}}}"}}',
        f"with: {{v: \"${{{{ {ASKS} ? steps.s.output.n : 0 }}}}\", w: '${{{{ steps.s.output }}}}'}}",
        f"when: steps.s.status != 'failed', {READS}",
        "when: steps.s.output.n > 1 && steps.s.status == 'succeeded'",
    ],
)
def test_what_is_no_guard(body):
    with pytest.raises(WorkflowError, match=r"step 's'|'needs'") as caught:
        load(reader(body))
    assert len(caught.value.problems) == 1


def test_a_need_that_dominates_is_a_guard_however_far_up_it_stands():
    chain = "  b: {kind: worker, worker: x, needs: [s]}\n  c: {kind: worker, worker: x, needs: [b]}\n"
    assert load(chain + reader(f"needs: [c], {READS}")).steps["a"].needs["s"] == ("succeeded",)
    weak = chain.replace("needs: [s]", "needs: {s: [succeeded, skipped]}")
    with pytest.raises(WorkflowError, match="step 's' may be skipped"):
        load(weak + reader(f"needs: [c], {READS}"))


def test_a_failed_need_or_an_allowed_skip_is_passed_on_no_further():
    after = "  b: {kind: worker, worker: x, needs: {s: [succeeded, skipped]}}\n"
    assert load(after + "  c: {kind: worker, worker: x, with: {v: '${{ steps.b.output }}'}}\n").steps["c"].needs == {
        "b": ("succeeded",)
    }


PUBLISH = """  write: {kind: worker, worker: x}
  approve: {kind: worker, worker: x, when: steps.write.output.score < 0.95 && run.id != ""}
  publish:
    kind: worker
    worker: x
    needs: {approve: [succeeded, skipped]}
    when: steps.approve.status == "skipped" || steps.approve.output.decision == "approve"
    with: {md: "${{ steps.write.output.markdown }}"}
"""


def test_an_approval_that_may_be_skipped():
    """The pattern that the language was made for: ask a person only where it is needed, then go on."""
    assert load(PUBLISH).steps["publish"].needs == {"write": ("succeeded",), "approve": ("succeeded", "skipped")}
    assert load(PUBLISH.replace("    needs: {approve: [succeeded, skipped]}\n", "")).steps["publish"].needs == {
        "write": ("succeeded",),
        "approve": ("succeeded", "skipped"),
    }


def test_a_skipped_item_is_no_skipped_step():
    text = "  e: {kind: worker, worker: x, foreach: {items: [1], as: i}, on_error: [{do: skip}]}\n"
    load(text + "  c: {kind: worker, worker: x, with: {v: '${{ steps.e.output }}'}}\n")


def test_thousands_of_steps_with_guards_are_checked_in_bounded_time():
    chain = "".join(
        f"  s{i}: {{kind: worker, worker: x, needs: [s{i - 1}], when: run.id != ''}}\n" for i in range(1, 8_000)
    )
    first = "  s0: {kind: worker, worker: x, when: run.id != ''}\n"
    began = time.process_time()
    load(first + chain + reader("needs: [s7999], with: {v: '${{ steps.s7900.output }}'}"))
    assert time.process_time() - began < 20, "seconds; about two on an idle machine"
