"""Agent steps: the real client talks to a scripted server, and everything that can go wrong ends as documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator import Orchestrator
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.testing import (
    ScriptedModel,
    answer_json,
    broken_body,
    dropped_connection,
    hang,
    rate_limit,
    server_error,
    truncated,
)
from tests.integration.supervisor.scene import flow

GOOD = {"colour": "red"}

STEP = """
  paint:
    kind: agent
    model: small
    with: {thing: "${{ inputs.thing }}"}
    prompt: "Which colour has ${{ with.thing }}?"
    system: You know colours.
    output: {type: object, required: [colour], properties: {colour: {enum: [red, green]}}, additionalProperties: false}
    retry: {max_attempts: 2, backoff: {initial: 10ms}}
    timeout: 2s
    on_invalid: [{do: revise, times: 1}]
"""

HEAD = "inputs: {thing: {type: string, default: a rose}}\noutputs: {colour: '${{ steps.paint.output.colour }}'}"


async def paint(database_url: str, folder: Path, script: list[object]) -> tuple[Any, Any, ScriptedModel]:
    """Run the step against a script; gives the result, its rows, and the server."""
    with ScriptedModel(script) as model:
        tiers = {"small": model.settings(input_price=1.0, output_price=2.0)}
        settings = Settings(root=folder, database=DatabaseSettings(url=database_url), models=tiers)
        async with Orchestrator.open(folder, settings=settings, environ={"OPENAI_API_KEY": "sk-for-tests"}) as app:
            handle = await app.submit(flow(STEP, HEAD))
            result = await handle.result(timeout=60)
        async with Orchestrator.connect(database=database_url) as app:
            trace = await (await app.handle(handle.id)).trace()
        return result, trace, model


async def test_an_agent_answers_in_the_shape_that_its_step_asks_for(database_url, tmp_path):
    result, trace, model = await paint(
        database_url, tmp_path, [answer_json(GOOD, input_tokens=1_000_000, output_tokens=500_000)]
    )
    assert (result.status, result.output) == ("succeeded", GOOD)
    assert "Which colour has a rose?" in model.requests[0].text and "You know colours." in model.requests[0].text
    assert model.requests[0].body["response_format"]["type"] == "json_schema"
    assert (result.usage.input_tokens, result.usage.output_tokens, result.cost) == (1_000_000, 500_000, 2.0)
    names = [span.name for span in sorted(trace.spans, key=lambda span: span.started_at)]
    assert names == ["invoke_workflow scene", "step paint", "invoke_agent paint", "chat scripted"]
    parents = {span.name: span.parent_id for span in trace.spans}
    ids = {span.name: span.span_id for span in trace.spans}
    assert parents["chat scripted"] == ids["invoke_agent paint"]
    assert parents["invoke_agent paint"] == ids["step paint"]
    assert parents["step paint"] == ids["invoke_workflow scene"]


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        (rate_limit(), "rate_limit"),
        (server_error(), "server_error"),
        (dropped_connection(), "connection"),
        (hang(), "timeout"),
    ],
)
async def test_what_the_server_does_wrong_is_retried(database_url, tmp_path, fault, error_class):
    result, trace, model = await paint(database_url, tmp_path, [fault, GOOD])
    assert result.status == "succeeded" and len(model.requests) == 2
    assert [row.status for row in trace.attempts] == [
        "timed_out" if error_class == "timeout" else "failed",
        "succeeded",
    ]
    assert trace.attempts[0].error.error_class == error_class


async def test_retries_end_with_the_provider_s_own_words(database_url, tmp_path):
    result, trace, _ = await paint(database_url, tmp_path, [rate_limit(), rate_limit()])
    assert result.status == "failed" and result.error.error_class == "rate_limit"
    assert [row.status for row in trace.attempts] == ["failed", "failed"]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ("red, I think", "JSON"),
        ({"colour": "blue"}, "blue"),
        ({"color": "red"}, "colour"),
        (truncated('{"colour": "re'), "cut"),
    ],
)
async def test_a_bad_answer_is_revised_and_the_model_is_told_why(database_url, tmp_path, answer, word):
    result, trace, model = await paint(database_url, tmp_path, [answer, GOOD])
    assert (result.status, result.output) == ("succeeded", GOOD)
    complaint = str(model.requests[1].messages[-1]["content"])
    assert "rejected" in complaint and word.lower() in complaint.lower()
    assert len(trace.attempts) == 2


async def test_a_bad_answer_after_the_last_revision_fails(database_url, tmp_path):
    result, trace, _ = await paint(database_url, tmp_path, [{"colour": "blue"}, {"colour": "pink"}])
    assert result.status == "failed" and result.error.code == "invalid_output" and "pink" in result.error.message
    assert [verdict.passed for verdict in trace.verdicts] == [False, False]


async def test_a_body_that_is_no_json_is_the_server_s_fault_and_is_retried(database_url, tmp_path):
    result, trace, _ = await paint(database_url, tmp_path, [broken_body(), GOOD])
    assert result.status == "succeeded"
    assert trace.attempts[0].status == "failed"


async def test_a_refused_request_fails_at_once(database_url, tmp_path):
    result, trace, _ = await paint(database_url, tmp_path, [])
    assert result.status == "failed" and "script is over" in result.error.message
    assert len(trace.attempts) == 1
