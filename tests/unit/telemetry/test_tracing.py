"""What spans look like as rows: ids, parents, scope, contents, errors."""

import asyncio
import json
import math

import pytest

from orchestrator.domain.chat import ChatCall, ChatMessage
from orchestrator.domain.identity import span_id, trace_id
from orchestrator.domain.outcome import ErrorInfo, OutcomeKind, Usage
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.settings import TelemetrySettings
from orchestrator.telemetry import Redactor, Tracing, names, run_attributes, step_attributes, verdict_event
from orchestrator.telemetry.propagation import current_traceparent
from tests.unit.telemetry.conftest import RUN, claimed


@pytest.fixture
async def trace(sink):
    """Runs a function with a `Tracing` and gives the rows by name."""

    async def run(work, *, redactor=None, **settings):
        tracing = Tracing(TelemetrySettings(**settings), sink, redactor=redactor)
        await tracing.start()
        result = work(tracing)
        if asyncio.iscoroutine(result):
            await result
        await tracing.aclose()
        return {row.name: row for row in sink.rows}

    return run


def call(**changed):
    fields = {
        "tier": "small",
        "provider": "openai",
        "model": "gpt-x",
        "server": "http://models.test:8080/v1",
        "started_at": 1_000.0,
        "ended_at": 1_002.5,
        "messages": (ChatMessage("system", "Be brief."), ChatMessage("user", "Why?")),
        "answer": "Because.",
        "response_model": "gpt-x-1",
        "finish_reason": "stop",
        "usage": Usage(12, 3, 0.5, 1),
    }
    return ChatCall(**(fields | changed))


async def test_runs_and_steps_have_the_ids_of_their_place(trace):
    def work(tracing):
        for _ in range(2):  # a supervisor that repeats itself changes nothing
            tracing.record_span(
                "step search",
                trace_id=trace_id(RUN),
                span_id=span_id(RUN, "search"),
                parent_id=span_id(RUN),
                start=10.0,
                end=12.5,
                attributes=step_attributes(
                    step="search", worker="w", pool="p", status="failed", needs=["plan", "b"], attempts=2, items=3
                ),
                events=[verdict_event(Verdict(False, "too few", "cited", 0.25), 12.0, {names.ATTEMPT_NUMBER: 2})],
                error="too few",
                tenant="acme",
            )
        tracing.record_span(
            "invoke_workflow report",
            trace_id=trace_id(RUN),
            span_id=span_id(RUN),
            parent_id=None,
            start=9.0,
            end=13.0,
            attributes=run_attributes(workflow="report", version="1", status="failed", usage=Usage(5, 6, 0.1, 1)),
        )

    rows = await trace(work)
    step, run = rows["step search"], rows["invoke_workflow report"]
    assert step.trace_id == run.trace_id == RUN.hex
    assert (step.parent_id, run.parent_id) == (run.span_id, None)
    assert (step.tenant, step.run_id, step.attempt_id) == ("acme", RUN, None)
    assert (step.started_at, step.ended_at) == (10.0, 12.5)
    assert (step.status, step.status_message, run.status) == ("error", "too few", "ok")
    assert step.attributes[names.NODE_PARENT] == "plan"
    assert step.attributes[names.STEP_NEEDS] == ["plan", "b"]
    assert not names.SCOPE_ATTRIBUTES & set(step.attributes)
    [event] = step.events
    assert (event.name, event.at) == ("gen_ai.evaluation.result", 12.0)
    assert event.attributes == {
        "gen_ai.evaluation.name": "cited",
        "gen_ai.evaluation.score.value": 0.25,
        "gen_ai.evaluation.score.label": "fail",
        "gen_ai.evaluation.explanation": "too few",
        names.ATTEMPT_NUMBER: 2,
    }
    assert run.attributes["gen_ai.workflow.name"] == "report"
    assert run.attributes[names.INPUT_TOKENS] == 5


async def test_an_attempt_hangs_below_its_step_and_calls_below_the_attempt(trace):
    attempt = claimed(step="write", item=2, number=3, worker=AGENT_WORKER)

    async def work(tracing):
        with tracing.attempt_span(attempt) as span:
            assert current_traceparent().split("-")[2] == f"{span_id(RUN, 'write', 2, 3):016x}"
            await asyncio.gather(asyncio.to_thread(tracing.record_chat, call()))
            with tracing.tracer.start_as_current_span("of the user"):
                pass
            span.finish(OutcomeKind.SUCCEEDED, None, Usage(12, 3, 0.5, 1))
        assert current_traceparent() == ""

    rows = await trace(work)
    agent, chat, own = rows["invoke_agent write"], rows["chat gpt-x"], rows["of the user"]
    assert agent.parent_id == f"{span_id(RUN, 'write'):016x}"
    assert agent.span_id == f"{span_id(RUN, 'write', 2, 3):016x}"
    assert {agent.trace_id, chat.trace_id, own.trace_id} == {RUN.hex}
    assert chat.parent_id == own.parent_id == agent.span_id
    for row in (agent, chat, own):
        assert (row.tenant, row.run_id, row.attempt_id) == ("acme", RUN, attempt.order.id)
    assert agent.attributes["gen_ai.agent.name"] == "write"
    assert agent.attributes["orchestrator.queue.wait"] == 0.25
    assert agent.attributes[names.COST] == 0.5
    assert (agent.status, chat.kind, chat.started_at, chat.ended_at) == ("ok", "client", 1_000.0, 1_002.5)


async def test_a_model_call_says_what_the_conventions_ask_for(trace):
    rows = await trace(lambda tracing: tracing.record_chat(call(schema="points", temperature=0.5, max_tokens=9)))
    attributes = rows["chat gpt-x"].attributes
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.response.model": "gpt-x-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.output.type": "json",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.system_instructions": '[{"type": "text", "content": "Be brief."}]',
        "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]',
        "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Because."}], '
        '"finish_reason": "stop"}]',
        "openinference.span.kind": "LLM",
        "orchestrator.cost_usd": 0.5,
        "orchestrator.model.calls": 1,
        "orchestrator.model.tier": "small",
        "server.address": "models.test",
        "server.port": 8080,
    }


async def test_contents_can_be_switched_off(trace):
    rows = await trace(lambda tracing: tracing.record_chat(call()), capture_content=False)
    assert "Why" not in json.dumps(rows["chat gpt-x"].attributes)
    assert rows["chat gpt-x"].attributes[names.INPUT_TOKENS] == 12


async def test_long_contents_are_cut_and_stay_json(trace):
    long = call(messages=(ChatMessage("user", "é" * 5_000), ChatMessage("user", "short")), answer="b" * 5_000)
    rows = await trace(lambda tracing: tracing.record_chat(long), max_content_bytes=1_000)
    first, second = json.loads(rows["chat gpt-x"].attributes[names.INPUT_MESSAGES])
    [answer] = json.loads(rows["chat gpt-x"].attributes[names.OUTPUT_MESSAGES])
    assert first["parts"][0]["content"].startswith("ééé")
    assert first["parts"][0]["content"].endswith("… [cut: 10000 bytes]")
    assert second["parts"][0]["content"] == "short"
    kept = len(first["parts"][0]["content"].encode()) + len(answer["parts"][0]["content"])
    assert 900 < kept < 1_100


async def test_secrets_are_hidden_also_where_a_text_is_cut(trace):
    secret = "hunter22-hunter22"

    def work(tracing):
        with tracing.attempt_span(claimed(), redactor=Redactor([secret])) as span:
            tracing.record_chat(call(messages=(ChatMessage("user", "x" * 95 + secret + "x" * 500),), answer=secret))
            with tracing.tracer.start_as_current_span("own", attributes={"k": [secret]}) as own:
                own.add_event(secret, {"v": secret})
            span.finish(OutcomeKind.FAILED, ErrorInfo("x", "error", f"no {secret}"), Usage())
        tracing.record_span("s other-secret", trace_id=1, span_id=1, parent_id=None, start=1.0, end=2.0)

    rows = await trace(work, redactor=Redactor(["other-secret"]), max_content_bytes=100)
    text = repr(rows)
    assert "hunter" not in text
    assert "other-secret" not in text
    assert rows["attempt web.search"].status_message == "no [redacted]"
    assert rows["own"].attributes["k"] == ["[redacted]"]


async def test_a_failed_attempt_and_one_that_breaks(trace):
    def work(tracing):
        with tracing.attempt_span(claimed()) as span:
            span.finish(OutcomeKind.TIMED_OUT, ErrorInfo("timeout", "timeout", "60 s are over"), Usage())
        with pytest.raises(asyncio.CancelledError), tracing.attempt_span(claimed(validator="links", worker="links")):
            raise asyncio.CancelledError

    rows = await trace(work)
    failed, broken = rows["attempt web.search"], rows["attempt links"]
    assert (failed.status, failed.status_message) == ("error", "60 s are over")
    assert failed.attributes["error.type"] == "timeout"
    assert failed.attributes["orchestrator.attempt.outcome"] == "timed_out"
    assert (broken.status, broken.attributes["error.type"]) == ("error", "CancelledError")
    assert broken.attributes["orchestrator.validator"] == "links"
    assert broken.span_id == f"{span_id(RUN, 'search', -1, 1, 'links'):016x}"


async def test_a_validators_verdict_is_an_event(trace):
    def work(tracing):
        with tracing.attempt_span(claimed(validator="links", worker="links")) as span:
            span.add_verdict(Verdict(True, validator="links", score=1.0))

    rows = await trace(work)
    assert rows["attempt links"].events[0].attributes["gen_ai.evaluation.score.label"] == "pass"


async def test_attributes_are_plain_json(trace):
    def work(tracing):
        tracing.tracer.start_span("odd", attributes={"nan": math.nan, "bytes": b"\x01", "list": [1.5, 2.5]}).end()

    rows = await trace(work)
    assert json.loads(json.dumps(rows["odd"].attributes, allow_nan=False)) == {
        "nan": "nan",
        "bytes": "01",
        "list": [1.5, 2.5],
    }


async def test_a_call_outside_of_any_attempt_is_the_default_tenants(trace):
    rows = await trace(lambda tracing: tracing.record_chat(call(error=ErrorInfo("t", "timeout", "slow"), answer="")))
    row = rows["chat gpt-x"]
    assert (row.tenant, row.run_id, row.parent_id) == ("default", None, None)
    assert (row.status, row.status_message, row.attributes["error.type"]) == ("error", "slow", "timeout")


async def test_nothing_is_stored_when_spans_are_switched_off(trace):
    assert await trace(lambda tracing: tracing.record_chat(call()), spans=False) == {}


async def test_other_peoples_environment_names_change_nothing(trace, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
    rows = await trace(lambda tracing: tracing.record_chat(call()))
    assert len(rows["chat gpt-x"].attributes) > 5


def test_a_verdict_without_a_majority_is_labelled_inconclusive_whether_it_passes_or_not():
    for passed in (True, False):
        event = verdict_event(Verdict(passed, "most abstain", "faithful", 0.5, {"label": "inconclusive"}), 1.0)
        assert event.attributes[names.EVALUATION_LABEL] == "inconclusive"
    assert verdict_event(Verdict(True, evidence={"label": "fail"}), 1.0).attributes[names.EVALUATION_LABEL] == "pass"
