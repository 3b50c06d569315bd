from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from orchestrator.cli.summary import print_output, print_summary, result_json, root_error
from orchestrator.cli.tables import steps_table
from orchestrator.domain.outcome import ErrorInfo
from tests.unit.cli.traces import RUN, START, attempt_row, result_of, step_row, trace_of, verdict_row

LIMIT = ErrorInfo("rate_limited", "rate_limit", "429: slow down", "body of the answer")
LATER = ErrorInfo("needs", "error", "step read failed")


def printed(print_: Any, *arguments: Any, **options: Any) -> str:
    console = Console(width=120, record=True, highlight=False)
    print_(console, *arguments, **options)
    return console.export_text()


def steps_table_of(console: Console, step: Any) -> None:
    console.print(steps_table(trace_of(steps=[step])))


def failed_trace() -> Any:
    return trace_of(
        steps=[
            step_row("write", 0, status="failed", error=LATER, finished_at=START + 9),
            step_row("read", 1, status="failed", error=LIMIT, finished_at=START + 3),
        ],
        attempts=[
            attempt_row("read", 1, 0),
            attempt_row("read", 3, 7, status="failed", error=LIMIT, finished_at=START + 3),
        ],
        status="failed",
        error=LATER,
    )


def test_the_root_error_is_that_of_the_step_that_failed_first() -> None:
    assert root_error(failed_trace(), LATER) == ("read[7]", LIMIT)


def test_an_error_of_no_attempt_is_the_steps_own() -> None:
    trace = trace_of(
        steps=[step_row("read", status="failed", error=LATER)],
        attempts=[attempt_row("read", 1, 2, status="failed", error=LIMIT)],
    )
    assert root_error(trace, LATER) == ("read", LATER)


def test_items_that_failed_do_not_count_as_done() -> None:
    text = printed(steps_table_of, step_row("read", items_total=4, items_done=3, items_failed=2))
    assert "1/4 ✗2" in text


def test_a_failed_run_begins_with_its_root_error_and_what_to_do() -> None:
    text = printed(print_summary, result_of("failed", error=LATER), failed_trace())
    lines = text.splitlines()
    assert lines[0] == "error in step read[7] (rate_limited): 429: slow down"
    assert "body of the answer" in lines[1]
    assert "retry.max_attempts" in lines[2]
    assert "trace: orchestrator trace 0198c0de-1a2b" in text


def test_what_a_message_says_to_do_is_not_said_again_in_general() -> None:
    error = ErrorInfo(
        "ORC-420", "secret_missing", "the step does not list the secret 'KEY'\n  add `secrets: [KEY]` to the step"
    )
    trace = trace_of(steps=[step_row("read", status="failed", error=error)], status="failed", error=error)
    text = printed(print_summary, result_of("failed", error=error), trace)
    assert text.splitlines()[1] == "  add `secrets: [KEY]` to the step"
    assert "environment of the worker's process" not in text


def test_a_succeeded_run_shows_steps_cost_and_output() -> None:
    tried = attempt_row("read", input_tokens=120, output_tokens=30, cost_usd=0.0042)
    trace = trace_of(
        steps=[
            step_row("read", items_total=4, items_done=4),
            step_row("send", 1, status="skipped", reason="when: false"),
        ],
        attempts=[tried, attempt_row("read", validator="short")],
        verdicts=[verdict_row(tried.id, "short", passed=True)],
    )
    text = printed(print_summary, result_of(output={"path": "out/brief.md", "points": [1, 2]}), trace)
    (row,) = [line for line in text.splitlines() if line.startswith("read")]
    assert row.split()[:4] == ["read", "✓", "succeeded", "read.worker"]
    for cell in ("4/4", " 1 ", "✓1", "120 → 30", "$0.0042", "4.0 s"):
        assert cell in row
    assert "when: false" in text
    assert f"run {RUN} ✓ succeeded" in text
    assert "10.0 s · 1 attempt · 120 → 30 tokens · cost $0.0042" in text
    assert "path: out/brief.md" in text


def test_a_long_output_is_trimmed_with_a_hint_unless_all_is_wanted() -> None:
    output = {"markdown": "\n".join(f"line {number}" for number in range(400))}
    trimmed = printed(print_output, output, hint="orchestrator runs show x --output")
    assert "line 5" in trimmed
    assert "line 399" not in trimmed
    assert "more characters: orchestrator runs show x --output" in trimmed
    whole = printed(print_output, output)
    assert "line 399" in whole
    assert "more characters" not in whole


def test_what_looks_like_markup_is_printed_as_it_is() -> None:
    assert "[red]x[/red]" in printed(print_output, {"text": "[red]x[/red]"})


def test_the_json_has_every_field_that_machines_are_promised() -> None:
    data = result_json(result_of("failed", error=LIMIT), failed_trace())
    assert set(data) == {
        "run_id", "status", "output", "error", "cost_usd", "input_tokens", "output_tokens", "duration_s", "steps",
        "children", "forked_from", "fork",
    }  # fmt: skip
    assert data["error"] == {
        "code": "rate_limited",
        "class": "rate_limit",
        "message": "429: slow down",
        "detail": "body of the answer",
    }
    assert [step["step"] for step in data["steps"]] == ["write", "read"]
    assert data["steps"][1]["attempts"] == 2
    json.dumps(data)
