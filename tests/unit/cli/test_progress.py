from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cli.event_lines import event_line
from orchestrator.cli.progress import RunProgress, StepProgress
from orchestrator.cli.progress_view import LiveView, PlainView, choose_steps
from orchestrator.domain import event as kinds
from orchestrator.domain.event import Event, StoredEvent
from orchestrator.domain.identity import NO_ITEM
from orchestrator.domain.worker import HUMAN_WORKER, RUN_WORKER
from tests.unit.cli.traces import RUN, question_of


def said(kind: str, step: str = "", item: int = NO_ITEM, at: float = 0.0, **data: Any) -> StoredEvent:
    return StoredEvent(1, at, Event(RUN, "default", kind, step, item, data=data))


def fold(*events: StoredEvent, steps: tuple[str, ...] = ()) -> RunProgress:
    progress = RunProgress(steps)
    for stored in events:
        progress.apply(stored)
    return progress


def tried(step: str, item: int, status: str, number: int = 1, **used: Any) -> list[StoredEvent]:
    return [
        said(kinds.ATTEMPT_QUEUED, step, item, purpose="work", number=number),
        said(kinds.ATTEMPT_STARTED, step, item, purpose="work", number=number),
        said(kinds.ATTEMPT_FINISHED, step, item, purpose="work", number=number, status=status, **used),
    ]


def test_steps_keep_the_order_of_the_file() -> None:
    progress = fold(said(kinds.STEP_STARTED, "second"), steps=("first", "second"))
    assert [(step.step, step.status) for step in progress.steps.values()] == [
        ("first", "waiting"),
        ("second", "running"),
    ]


def test_an_item_is_done_when_nothing_rejected_it_and_nobody_judges_it_any_more() -> None:
    events = [
        said(kinds.STEP_STARTED, "extract", items=3),
        *tried("extract", 0, "succeeded"),
        *tried("extract", 1, "failed"),
    ]
    assert fold(*events).steps["extract"].done == 1
    events.append(said(kinds.ATTEMPT_QUEUED, "extract", 0, purpose="validate", number=1))
    assert fold(*events).steps["extract"].done == 0
    events.append(said(kinds.ATTEMPT_FINISHED, "extract", 0, purpose="validate", number=1, status="succeeded"))
    assert fold(*events).steps["extract"].done == 1
    events.append(said(kinds.VERDICT, "extract", 0, validator="quotes", passed=False))
    step = fold(*events).steps["extract"]
    assert (step.done, step.rejected) == (0, 1)
    events += tried("extract", 0, "succeeded", number=2)
    step = fold(*events).steps["extract"]
    assert (step.done, step.attempts) == (1, 3)


def test_the_end_of_a_step_settles_the_count() -> None:
    step = fold(
        said(kinds.STEP_STARTED, "extract", items=4, at=1.0),
        said(kinds.STEP_FINISHED, "extract", status="succeeded", items_failed=1, at=3.0),
    ).steps["extract"]
    assert (step.status, step.done, step.total, step.finished_at) == ("succeeded", 3, 4, 3.0)


def test_costs_and_tokens_add_up_and_an_unknown_price_stays_unknown() -> None:
    unknown = fold(*tried("a", NO_ITEM, "succeeded", input_tokens=10, output_tokens=5, cost_usd=None))
    assert (unknown.cost, unknown.tokens) == (None, (10, 5))
    known = fold(*tried("a", NO_ITEM, "succeeded", cost_usd=0.25), *tried("b", NO_ITEM, "succeeded", cost_usd=0.5))
    assert known.cost == 0.75


def test_nobody_runs_after_the_end() -> None:
    queued = said(kinds.ATTEMPT_QUEUED, "a", purpose="work")
    started = said(kinds.ATTEMPT_STARTED, "a", purpose="work")
    assert fold(queued, started).steps["a"].running == 1
    assert fold(queued, started, said(kinds.STEP_FINISHED, "a", status="cancelled")).steps["a"].running == 0


def test_a_step_asks_as_long_as_nothing_of_it_runs_but_questions() -> None:
    begun = said(kinds.STEP_STARTED, "sign", items=2)
    events = [begun, said(kinds.HUMAN_ASKED, "sign", 0), said(kinds.HUMAN_ASKED, "sign", 1)]
    assert fold(*events).steps["sign"].shown_status == "asking"
    running = [*events, said(kinds.ATTEMPT_STARTED, "sign", 1, purpose="work")]
    assert fold(*running).steps["sign"].shown_status == "running"
    events += [
        said(kinds.HUMAN_ANSWERED, "sign", 0, by="bob"),
        said(kinds.ATTEMPT_FINISHED, "sign", 1, purpose="work", worker=HUMAN_WORKER, status="cancelled"),
    ]
    step = fold(*events).steps["sign"]
    assert (step.shown_status, step.done) == ("running", 1)
    assert (
        fold(*events, said(kinds.HUMAN_ASKED, "sign", 1), said(kinds.HUMAN_EXPIRED, "sign", 1)).steps["sign"].asking
        == set()
    )


def test_a_run_below_runs_and_a_paused_run_is_paused() -> None:
    begun = [said(kinds.STEP_STARTED, "review"), said(kinds.RUN_CHILD_STARTED, "review", run=str(RUN))]
    assert fold(*begun).steps["review"].running == 1
    ended = said(kinds.ATTEMPT_FINISHED, "review", purpose="work", worker=RUN_WORKER, status="succeeded")
    assert fold(*begun, ended, said(kinds.STEP_ITERATION, "review", iteration=1)).steps["review"].running == 0
    paused = [said(kinds.RUN_STARTED), said(kinds.RUN_PAUSED)]
    assert fold(*paused).status == "paused"
    assert fold(*paused, said(kinds.RUN_RESUMED)).status == "running"


@pytest.mark.parametrize(
    ("stored", "line"),
    [
        (said(kinds.RUN_STARTED, workflow="brief", version="1.0.0"), "run started: brief 1.0.0"),
        (said(kinds.STEP_STARTED, "read", items=None), "read started"),
        (said(kinds.STEP_STARTED, "read", items=4), "read started: 4 items"),
        (said(kinds.STEP_SKIPPED, "read", reason="when: false"), "read skipped: when: false"),
        (said(kinds.STEP_FINISHED, "read", status="failed", error={"message": "no\nmore"}), "read failed: no"),
        (said(kinds.ATTEMPT_QUEUED, "read", purpose="work", number=1, delay=0), None),
        (
            said(kinds.ATTEMPT_QUEUED, "read", purpose="work", number=2, delay=0.5, why="rate_limit: slow down"),
            "read attempt 2 waits 500 ms: rate_limit: slow down",
        ),
        (
            said(kinds.ATTEMPT_STARTED, "read", 3, purpose="work", number=1, worker="docs.read"),
            "read[3] attempt 1 on docs.read",
        ),
        (said(kinds.ATTEMPT_STARTED, "read", purpose="validate", number=1, worker="v"), None),
        (
            said(kinds.ATTEMPT_FINISHED, "read", purpose="work", number=1, status="succeeded", duration=0.2),
            "read attempt 1 succeeded (200 ms)",
        ),
        (said(kinds.VERDICT, "read", 0, validator="short", passed=True), "read[0] verdict short: passed"),
        (
            said(kinds.VERDICT, "read", validator="good", passed=True, score=0.9),
            "read verdict good: passed (score 0.9)",
        ),
        (
            said(kinds.VERDICT, "read", 0, validator="short", passed=False, message="too long"),
            "read[0] verdict short: rejected: too long",
        ),
        (said(kinds.REMEDY, "read", 0, do="escalate", worker="docs.cut"), "read[0] remedy: escalate to docs.cut"),
        (said(kinds.HUMAN_ASKED, "sign", 2, assignee="anna", expires_at=None), "sign[2] asks anna"),
        (said(kinds.HUMAN_ASKED, "sign", assignee=None, expires_at=None), "sign asks a person"),
        (said(kinds.HUMAN_ANSWERED, "sign", by="bob", sha256="ab"), "sign answered by bob"),
        (said(kinds.HUMAN_ANSWERED, by=None, value={"decision": "stop"}), "answered by somebody: stop"),
        (said(kinds.HUMAN_EXPIRED, "sign"), "sign nobody answered in time"),
        (said(kinds.RUN_PAUSED, reason="1.02 of 1 USD"), "run paused: 1.02 of 1 USD"),
        (said(kinds.RUN_RESUMED), "run goes on"),
        (said(kinds.RUN_CHILD_STARTED, "review", run=str(RUN)), "review began run 0198c0de-1a2b"),
        (
            said(kinds.ATTEMPT_FINISHED, "review", purpose="work", worker=RUN_WORKER, status="succeeded", duration=2),
            "review its run succeeded (2.0 s)",
        ),
        (said(kinds.STEP_ITERATION, "review", iteration=2, until=False), "review iteration 2: until is not true yet"),
        (said(kinds.STEP_ITERATION, "review", iteration=3, until=True), "review iteration 3: until is true"),
        (said(kinds.ATTEMPT_LOG, "read", level="info", message="page"), "read log: page"),
        (said(kinds.ATTEMPT_LOG, "read", message="page", fields={"n": 3}), "read log: page n=3"),
        (said(kinds.ATTEMPT_PROGRESS, "read", fraction=0.5), None),
        (
            said(kinds.ATTEMPT_TOOL, "ask", tool="t.add", arguments='{"a": 1}', outcome="succeeded", duration=0.2),
            'ask tool t.add {"a": 1} succeeded (200 ms)',
        ),
        (
            said(kinds.ATTEMPT_TOOL, "ask", 2, tool="t.x", outcome="timed_out", duration=5, error={"message": "late"}),
            "ask[2] tool t.x timed out (5.0 s): late",
        ),
        (said(kinds.ATTEMPT_TEXT, "ask", turn=1, text="Let me look."), "ask says: Let me look."),
        (said(kinds.ATTEMPT_TEXT, "ask", turn=1, text="", dropped=20), "ask says 20 characters more"),
        (said(kinds.RUN_FINISHED, status="failed"), "run failed"),
    ],
)
def test_each_event_is_one_line_or_none(stored: StoredEvent, line: str | None) -> None:
    assert event_line(stored) == line


async def events_of(*events: StoredEvent) -> AsyncIterator[StoredEvent]:
    for stored in events:
        yield stored


async def test_plain_lines_are_led_by_the_seconds_and_never_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(Console(width=40, highlight=False))
    reason = "because " * 20
    await view.show(
        events_of(
            said(kinds.RUN_STARTED, workflow="w", version="1", at=5),
            said(kinds.STEP_SKIPPED, "[b]x", reason=reason, at=6.5),
        )
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "    0.00s  run started: w 1"
    assert lines[1].startswith("    1.50s  [b]x skipped: because because")
    assert len(lines) == 2


async def test_the_live_view_shows_what_happened_and_leaves_nothing_behind() -> None:
    console = Console(width=120, height=20, force_terminal=True, record=True, highlight=False)
    view = LiveView(console, title="brief 1.0.0", steps=["read", "write"])
    events = [
        said(kinds.RUN_STARTED, at=10.0),
        said(kinds.STEP_STARTED, "read", items=2, worker="docs.read", at=10.0),
        *tried("read", 0, "succeeded", cost_usd=0.5),
        said(kinds.VERDICT, "read", 0, validator="short", passed=False, message="too long"),
    ]
    for stored in events:
        view.fold(stored)
    console.print(view.render(now=12.0))
    text = console.export_text()
    assert "brief 1.0.0" in text
    assert "docs.read" in text
    assert "0/2" in text
    assert "✗1" in text
    assert "read[0] verdict short: rejected: too long" in text
    assert "running · 2.0 s · 1 attempt" in text
    assert "$0.50" in text


def test_on_a_small_screen_the_running_and_failed_steps_stay_in_sight() -> None:
    steps = [StepProgress(f"s{index}", status="succeeded") for index in range(50)]
    steps[40].status = "running"
    steps[45].status = "failed"
    shown, rest = choose_steps(steps, room=4)
    assert [step.step for step in shown] == ["s0", "s1", "s40", "s45"]
    assert rest == "… and 46 succeeded"
    assert choose_steps(steps, room=50) == (steps, "")


async def test_what_waits_for_people_is_told_once_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(Console(width=40, highlight=False), "acme")
    await view.show(events_of(said(kinds.RUN_STARTED, at=5)))
    view.waiting([question_of(asked_at=6)])
    view.waiting([question_of(asked_at=6), question_of(attempt_id=None, step="", asked_at=7, description="paused: x")])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "    1.00s  waiting for anna: orchestrator runs answer 0198c0de-1a2b --tenant acme approve -v decision=…",
        "    2.00s  paused: x: orchestrator runs answer 0198c0de-1a2b --tenant acme -v decision=…",
    ]


def test_the_live_view_keeps_what_waits_in_sight() -> None:
    console = Console(width=120, height=20, force_terminal=True, record=True, highlight=False)
    view = LiveView(console, title="brief 1.0.0", steps=["approve"])
    view.waiting([question_of(item=index) for index in range(7)])
    console.print(view.render(now=12.0))
    text = console.export_text()
    assert text.count("waiting for anna: orchestrator runs answer 0198c0de-1a2b approve --item") == 5
    assert "… and 2 more: orchestrator runs answer" in text
    view.waiting([])
    console.print(view.render(now=12.0))
    assert "waiting for" not in console.export_text()
