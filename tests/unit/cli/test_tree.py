from __future__ import annotations

from rich.console import Console

from orchestrator.cli.node import Node
from orchestrator.cli.quantities import time_text
from orchestrator.cli.tree import MOST_ITEMS, TraceTree
from orchestrator.cli.tree_view import bar, print_tree, print_troubles
from orchestrator.domain import event as kinds
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.worker import HUMAN_WORKER, RUN_WORKER
from orchestrator.telemetry import names
from tests.unit.cli.traces import (
    START,
    attempt_row,
    attempt_span_id,
    note,
    span_row,
    step_row,
    trace_of,
    verdict_row,
)


def labels(node: Node) -> list[str]:
    return [node.label, *(label for child in node.children for label in labels(child))]


def test_a_run_is_a_tree_of_steps_attempts_calls_and_verdicts() -> None:
    first = attempt_row("extract", 1, input_tokens=100, output_tokens=20, cost_usd=0.01)
    judge = attempt_row("extract", 1, validator="quotes")
    second = attempt_row("extract", 2, input_tokens=50, output_tokens=10, cost_usd=0.02)
    own = span_row(first, f"{names.INVOKE_AGENT} orchestrator.agent", parent="00", number=7)
    own = type(own)(**{**{f: getattr(own, f) for f in own.__slots__}, "span_id": attempt_span_id(first)})
    call = span_row(
        first,
        "chat small",
        parent=attempt_span_id(first),
        number=8,
        attributes={names.INPUT_TOKENS: 100, names.OUTPUT_TOKENS: 20},
    )
    trace = trace_of(
        steps=[step_row("write", 1), step_row("extract", 0)],
        attempts=[first, judge, second],
        verdicts=[
            verdict_row(first.id, "quotes", "'x' is not in the document", passed=False),
            verdict_row(second.id, "quotes", passed=True),
        ],
        spans=[own, call],
    )
    root = TraceTree(trace).root()
    assert labels(root) == [
        "brief 1.0.0",
        "extract",
        "attempt 1 on extract.worker",
        "chat small",
        "verdict quotes: 'x' is not in the document",
        "attempt 2 on extract.worker",
        "verdict quotes",
        "write",
    ]
    extract = root.children[0]
    assert (extract.usage.input_tokens, extract.usage.cost_usd) == (150, 0.03)
    tried = extract.children[0]
    assert (tried.wait, tried.start, tried.end) == (1.0, START + 1, START + 3)
    call_node, verdict = tried.children
    assert call_node.usage.input_tokens == 100
    assert (verdict.status, verdict.wait) == ("rejected", 1.0)


def test_items_with_trouble_are_never_left_out() -> None:
    attempts = [attempt_row("extract", 1, item) for item in range(60)]
    attempts[50] = attempt_row("extract", 1, 50, status="failed", error=ErrorInfo("boom", "error", "it broke"))
    attempts.append(attempt_row("extract", 2, 50))
    trace = trace_of(steps=[step_row("extract", items_total=60, items_done=60)], attempts=attempts)
    children = TraceTree(trace).root().children[0].children
    assert len(children) == MOST_ITEMS + 1
    assert children[-1].label == f"… {60 - MOST_ITEMS} more items (--all shows them)"
    (troubled,) = [child for child in children if child.label == "[50]"]
    assert labels(troubled) == ["[50]", "attempt 1 on extract.worker", "boom: it broke", "attempt 2 on extract.worker"]
    assert len(TraceTree(trace, all_items=True).root().children[0].children) == 60


def test_a_delayed_retry_does_not_count_its_backoff_as_queue_wait() -> None:
    delayed = attempt_row("a", 2, queued_at=START, not_before=START + 5, claimed_at=START + 5.5, finished_at=START + 6)
    trace = trace_of(steps=[step_row("a")], attempts=[delayed])
    assert TraceTree(trace).root().children[0].children[0].wait == 0.5


def test_every_rejection_and_error_is_told_in_full_below(capsys: object) -> None:
    long = "the quote 'abc' does not stand in the document; " * 6
    tried = attempt_row("extract", 1, 4)
    trace = trace_of(
        steps=[step_row("extract")], attempts=[tried], verdicts=[verdict_row(tried.id, "quotes", long, passed=False)]
    )
    console = Console(width=60, record=True, highlight=False)
    print_troubles(console, TraceTree(trace).troubles())
    text = console.export_text()
    assert "extract[4] attempt 1 rejected by quotes" in text
    assert long.strip() in text


def test_the_drawing_has_guides_numbers_and_bars() -> None:
    trace = trace_of(
        steps=[step_row("extract", 0), step_row("[bold]write", 1)],
        attempts=[attempt_row("extract", input_tokens=1200, output_tokens=30, cost_usd=0.5)],
    )
    console = Console(width=140, record=True, highlight=False)
    print_tree(console, TraceTree(trace).root())
    lines = console.export_text().splitlines()
    assert lines[1].startswith("✓ brief 1.0.0")
    assert lines[2].startswith("├─ ✓ extract")
    assert lines[3].startswith("│  └─ ✓ attempt 1 on extract.worker")
    assert lines[4].startswith("└─ ✓ [bold]write")
    assert "1,200 → 30" in lines[3]
    assert "$0.50" in lines[3]
    assert "█" in lines[3]


def test_a_narrow_terminal_gets_no_bars() -> None:
    console = Console(width=80, record=True, highlight=False)
    print_tree(console, TraceTree(trace_of(steps=[step_row("extract")])).root())
    assert "█" not in console.export_text()


def test_a_bar_shows_when_a_part_waited_and_ran() -> None:
    node = Node("x", "succeeded", start=5.0, end=7.5, wait=2.5)
    assert bar(node, 0.0, 10.0, now=10.0, width=8).plain == "  ··██  "
    still = Node("x", "running", start=5.0)
    assert bar(still, 0.0, 10.0, now=10.0, width=8).plain == "    ████"
    short = Node("x", "succeeded", start=9.999, end=9.999)
    assert bar(short, 0.0, 10.0, now=10.0, width=8).plain == "       █"
    assert bar(Node("x"), 0.0, 10.0, now=10.0).plain == ""


def test_questions_say_whom_they_asked_and_who_answered() -> None:
    asked = attempt_row("sign", worker=HUMAN_WORKER)
    again = attempt_row("sign", 2, worker=HUMAN_WORKER, status="waiting", claimed_at=None, finished_at=None)
    trace = trace_of(
        steps=[step_row("sign", status="running", finished_at=None)],
        attempts=[asked, again],
        notes=[
            note(kinds.HUMAN_ASKED, "sign", attempt=asked.id, assignee="anna"),
            note(kinds.HUMAN_ANSWERED, "sign", at=0.0, attempt=asked.id, by="bob"),
            note(kinds.RUN_PAUSED, at=0.0, reason="1.02 of 1 USD"),
        ],
        status="paused",
    )
    root = TraceTree(trace).root()
    at = time_text(0.0)
    assert labels(root) == [
        "brief 1.0.0",
        "sign",
        "question 1 to anna",
        f"answered by bob at {at}",
        "question 2 to anybody",
        f"run paused: 1.02 of 1 USD at {at}",
    ]
    assert [root.status, root.children[0].status, root.children[0].children[1].status] == ["paused", "asking", "asking"]


def test_iterations_gather_the_attempts_that_ended_before_them() -> None:
    tries = [attempt_row("polish", number, finished_at=START + number) for number in (1, 2, 3)]
    running = attempt_row("polish", 4, status="running", finished_at=None)
    notes = [
        note(kinds.STEP_ITERATION, "polish", at=START + 2.1, iteration=1, until=False),
        note(kinds.STEP_ITERATION, "polish", at=START + 3.1, iteration=2, until=True),
    ]
    trace = trace_of(steps=[step_row("polish")], attempts=tries, notes=notes)
    first, second = TraceTree(trace).root().children[0].children
    assert [first.label, second.label] == ["iteration 1: until is not true yet", "iteration 2: until is true"]
    assert [len(first.children), len(second.children)] == [2, 1]
    open_end = trace_of(steps=[step_row("polish")], attempts=[*tries, running], notes=notes)
    assert TraceTree(open_end).root().children[0].children[2].label == "iteration 3"


def test_the_run_of_a_step_stands_below_its_attempt() -> None:
    attempt = attempt_row("review", worker=RUN_WORKER, status="waiting", claimed_at=None, finished_at=None)
    other = attempt_row("review", 2, worker=RUN_WORKER)
    broken = attempt_row("check", status="failed", error=ErrorInfo("boom", "error", "it broke"))
    below = trace_of(steps=[step_row("check", status="failed")], attempts=[broken], id=attempt.id, status="running")
    trace = trace_of(steps=[step_row("review", status="running")], attempts=[attempt, other])
    tree = TraceTree(trace, below={attempt.id: below})
    step = tree.root().children[0]
    short = str(attempt.id)[:13]
    assert labels(step) == [
        "review",
        f"attempt 1: run {short} brief 1.0.0",
        "check",
        "attempt 1 on check.worker",
        "boom: it broke",
        f"attempt 2: run {str(other.id)[:13]}",
    ]
    assert (step.children[0].status, step.children[0].start) == ("running", START)
    (trouble,) = tree.troubles()
    assert (trouble.step, trouble.where) == ("review", "review → check attempt 1")


def test_a_verdict_that_passed_though_most_votes_abstained_says_so() -> None:
    tried = attempt_row("extract")
    said = verdict_row(tried.id, "faithful", "2 of 3 votes abstain", passed=True, evidence={"label": "inconclusive"})
    root = TraceTree(trace_of(steps=[step_row("extract")], attempts=[tried], verdicts=[said])).root()
    assert "verdict faithful: 2 of 3 votes abstain" in labels(root)
