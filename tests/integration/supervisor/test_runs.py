"""What a workflow does, run by a real supervisor and real workers on a real Postgres."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator import Orchestrator
from orchestrator.errors import DatabaseUnavailable, InputsInvalid
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.supervisor import residents
from tests.integration.supervisor.scene import flow, opened, workers_of


async def test_outputs_flow_along_the_edges(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  one: {kind: worker, worker: t.say, with: {text: "${{ inputs.word }}"}}
  two: {kind: worker, worker: t.say, with: {text: "${{ steps.one.output.text + '!' }}"}}
""",
            {"word": "hello"},
            head="inputs: {word: {type: string}}\noutputs: {said: '${{ steps.two.output.text }}'}",
        )
    assert (result.status, result.output, result.error) == ("succeeded", {"said": "hello!"}, None)
    assert [(step.step, step.status, step.attempts) for step in trace.steps] == [
        ("one", "succeeded", 1),
        ("two", "succeeded", 1),
    ]


async def test_no_slow_step_holds_up_an_independent_one(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  slow: {kind: worker, worker: t.wait, with: {seconds: 1.5}}
  fast: {kind: worker, worker: t.wait, with: {seconds: 0.0}}
  after_fast: {kind: worker, worker: t.wait, needs: [fast], with: {seconds: 0.0}}
"""
        )
    assert result.status == "succeeded"
    step = {row.step: row for row in trace.steps}
    assert step["after_fast"].finished_at < step["slow"].finished_at - 0.5


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ("", "failed"),
        (", on_item_error: collect", "succeeded"),
        (", on_item_error: collect, min_success: 0.75", "succeeded"),
        (", on_item_error: collect, min_success: 0.8", "failed"),
    ],
)
async def test_a_foreach_judges_its_items(database_url, tmp_path, options, status):
    async with opened(database_url, tmp_path) as scene:
        steps = f"""
  each:
    kind: worker
    worker: t.say
    foreach: {{items: "${{{{ inputs.words }}}}", as: word{options}}}
    with: {{text: "${{{{ word }}}}"}}
    validate: [{{name: short, expr: "size(output.text) < 4"}}]
"""
        head = "inputs: {words: {type: array}}\noutputs: {all: '${{ steps.each.output }}'}"
        result, trace = await scene.run(steps, {"words": ["a", "b", "far too long", "c"]}, head=head)
    assert result.status == status
    if status == "succeeded":
        assert [each["ok"] for each in result.output["all"]] == [True, True, False, True]
        assert result.output["all"][0]["value"] == {"text": "a"}
        assert result.output["all"][2]["error"]["code"] == "invalid_output"
    assert trace.steps[0].items_failed == 1


async def test_an_empty_foreach_succeeds(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(
            """
  each: {kind: worker, worker: t.say, foreach: {items: [], as: w}, with: {text: "${{ w }}"}}
  after: {kind: worker, worker: t.say, with: {text: "${{ string(size(steps.each.output)) }}"}}
""",
            head="outputs: {count: '${{ steps.after.output.text }}'}",
        )
    assert (result.status, result.output) == ("succeeded", {"count": "0"})


async def test_max_parallel_holds(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  each:
    kind: worker
    worker: t.wait
    foreach: {items: [1, 2, 3, 4, 5, 6], as: n, max_parallel: 2}
    with: {seconds: 0.05, text: "${{ string(index) }}"}
"""
        )
        assert result.status == "succeeded"
        assert scene.peak["each"] == 2
    assert len(trace.attempts) == 6


async def test_infrastructure_errors_are_retried(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  s: {kind: worker, worker: t.flaky, with: {failures: 2}, retry: {max_attempts: 3, backoff: {initial: 10ms}}}
"""
        )
    assert result.status == "succeeded"
    assert [row.status for row in trace.attempts] == ["failed", "failed", "succeeded"]
    assert trace.attempts[0].error.error_class == "connection"


async def test_retries_end_at_their_limit(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            "  s: {kind: worker, worker: t.flaky, with: {failures: 9}, retry: {max_attempts: 2, backoff: {max: 1ms}}}"
        )
    assert result.status == "failed" and "gone" in result.error.message
    assert len(trace.attempts) == 2


@pytest.mark.parametrize(
    ("rule", "status", "step_status", "output"),
    [
        (
            "{if: error.code == 'duplicate', do: continue, output: {text: existing}}",
            "succeeded",
            "succeeded",
            "existing",
        ),
        ("{do: continue, output: {text: '${{ error.code }}'}}", "succeeded", "succeeded", "duplicate"),
        ("{do: continue, output: {text: '${{ int(error.message) }}'}}", "failed", "failed", None),
        ("{if: error.code == 'other', do: continue}", "failed", "failed", None),
        ("{do: skip}", "succeeded", "skipped", None),
        ("{do: fail}", "failed", "failed", None),
        ("{do: escalate, worker: t.rules}", "succeeded", "succeeded", "by the rules"),
    ],
)
async def test_on_error(database_url, tmp_path, rule, status, step_status, output):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            f"""
  s:
    kind: worker
    worker: t.flaky
    with: {{failures: 9, error: duplicate}}
    on_error: [{rule}]
""",
            head="outputs: {text: \"${{ steps.s.status == 'succeeded' ? steps.s.output.text : null }}\"}",
        )
    assert (result.status, trace.steps[0].status) == (status, step_status)
    if status == "succeeded":
        assert result.output == {"text": output}


async def test_a_bad_output_is_revised_with_feedback(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  s:
    kind: worker
    worker: t.say
    with: {text: quiet}
    validate: [{name: loud, worker: t.upper}]
    on_invalid: [{do: revise, times: 2}]
""",
            head="outputs: {text: '${{ steps.s.output.text }}'}",
        )
        assert scene.feedback["s"] == [(), ("loud: not in upper case",)]
    assert (result.status, result.output) == ("succeeded", {"text": "QUIET"})
    assert [(row.purpose, row.number) for row in trace.attempts if row.purpose == "work"] == [("work", 1), ("work", 2)]
    assert sorted(verdict.passed for verdict in trace.verdicts) == [False, True]


@pytest.mark.parametrize(
    ("remedy", "status", "output"),
    [
        ("{do: escalate, worker: t.rules}", "succeeded", "by the rules"),
        ("{do: continue}", "succeeded", "quiet"),
        ("{do: fail}", "failed", None),
    ],
)
async def test_remedies(database_url, tmp_path, remedy, status, output):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            f"""
  s:
    kind: worker
    worker: t.say
    with: {{text: quiet}}
    validate: [{{name: rules, expr: "output.text == 'by the rules'", message: not by the rules}}]
    on_invalid: [{remedy}]
""",
            head="outputs: {text: '${{ steps.s.output.text }}'}",
        )
    assert result.status == status
    assert (result.output or {}).get("text") == output
    assert trace.verdicts[0].message == "not by the rules"


async def test_a_validator_that_cannot_judge_fails_the_step(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(
            "  s: {kind: worker, worker: t.say, with: {text: x}, validate: [{name: v, worker: t.broken}]}"
        )
    assert result.status == "failed" and result.error.code == "validator_failed"


async def test_skips_explain_themselves_and_never_hang(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  a: {kind: worker, worker: t.say, when: "1 > 2", with: {text: a}}
  b: {kind: worker, worker: t.say, needs: [a], with: {text: b}}
  c: {kind: worker, worker: t.say, needs: {a: [succeeded, skipped]}, with: {text: c}}
"""
        )
    reasons = {row.step: (row.status, row.reason) for row in trace.steps}
    assert result.status == "succeeded"
    assert reasons["a"] == ("skipped", "when: 1 > 2 was false")
    assert reasons["b"] == ("skipped", "needs a to have succeeded; it was skipped")
    assert reasons["c"][0] == "succeeded"


async def test_a_failed_step_fails_the_run_and_independent_branches_go_on(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  bad: {kind: worker, worker: t.flaky, with: {failures: 9, error: value}}
  after_bad: {kind: worker, worker: t.say, needs: [bad], with: {text: never}}
  other: {kind: worker, worker: t.wait, with: {seconds: 0.2}}
  after_other: {kind: worker, worker: t.say, needs: [other], with: {text: yes}}
"""
        )
    status = {row.step: row.status for row in trace.steps}
    assert status == {"bad": "failed", "after_bad": "skipped", "other": "succeeded", "after_other": "succeeded"}
    assert result.status == "failed" and result.error.message == "step bad: wrong"


async def test_an_expression_that_does_not_evaluate_fails_its_step(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(
            '  s: {kind: worker, worker: t.say, with: {text: "${{ inputs.given.missing }}"}}',
            {"given": {}},
            head="inputs: {given: {type: object}}",
        )
    assert result.status == "failed"
    assert result.error.code == "expression_error" and "inputs.given.missing" in result.error.message


@pytest.mark.parametrize(
    ("limit", "code", "ended"),
    [("{attempt: 200ms}", "timeout", "timed_out"), ("{total: 300ms}", "total_timeout", "cancelled")],
)
async def test_timeouts(database_url, tmp_path, limit, code, ended):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            f"  s: {{kind: worker, worker: t.wait, with: {{seconds: 9}}, timeout: {limit}, retry: {{max_attempts: 1}}}}"
        )
        assert result.status == "failed" and result.error.error_class == "timeout"
        attempt = trace.attempts[0].id
        async with asyncio.timeout(10):
            while await scene.app.database.fetchval("SELECT status FROM attempts WHERE id = $1", attempt) != ended:  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.05)
        assert scene.running["s"] == 0


async def test_cancel_is_confirmed(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(
            flow(
                """
  s: {kind: worker, worker: t.wait, with: {seconds: 60, text: slow}}
  t: {kind: worker, worker: t.say, needs: [s], with: {text: never}}
"""
            )
        )
        while not scene.running["s"]:  # noqa: ASYNC110 - the worker counts
            await asyncio.sleep(0.01)
        await handle.cancel()
        result = await handle.result(timeout=30)
        assert (result.status, scene.running["s"], scene.calls["never"]) == ("cancelled", 0, 0)
        trace = await handle.trace()
    assert [row.status for row in trace.attempts] == ["cancelled"]
    assert {row.status for row in trace.steps} == {"cancelled"}


async def test_an_idempotency_key_gives_the_first_run_again(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        workflow = flow("  s: {kind: worker, worker: t.say, with: {text: once}}")
        first = await scene.app.submit(workflow, idempotency_key="k")
        second = await scene.app.submit(workflow, idempotency_key="k")
        await first.result(timeout=30)
        assert first.id == second.id and scene.calls["once"] == 1


async def test_inputs_are_checked_before_anything_starts(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        workflow = flow("  s: {kind: worker, worker: t.say, with: {text: x}}", "inputs: {n: {type: integer}}")
        with pytest.raises(InputsInvalid, match="n"):
            await scene.app.submit(workflow, {"n": "seven"})
        assert await scene.app.list_runs() == []


async def test_a_finished_run_leaves_no_inbox_and_no_open_attempt(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        await scene.run("  s: {kind: worker, worker: t.say, with: {text: x}}")
        assert await scene.app.database.fetchval("SELECT count(*) FROM inbox") == 0
        open_attempts = "SELECT count(*) FROM attempts WHERE status IN ('queued', 'running')"
        assert await scene.app.database.fetchval(open_attempts) == 0


async def test_events_tell_the_run_in_order(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.submit(flow("  s: {kind: worker, worker: t.say, with: {text: x}}"))
        async with asyncio.timeout(30):
            kinds = [stored.event.kind async for stored in handle.events()]
    assert kinds == [
        "run.submitted",
        "run.started",
        "step.started",
        "attempt.queued",
        "attempt.started",
        "attempt.finished",
        "step.finished",
        "run.finished",
    ]


async def test_a_window_of_items_that_fail_without_an_attempt_does_not_hold_up_the_rest(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  each:
    kind: worker
    worker: t.say
    foreach: {items: [0, 0, 0, 1, 2], as: n, max_parallel: 2, on_item_error: collect}
    with: {text: "${{ string(10 / n) }}"}
""",
            head="outputs: {ok: '${{ steps.each.output.map(each, each.ok) }}'}",
        )
    assert (result.status, result.output) == ("succeeded", {"ok": [False, False, False, True, True]})
    assert len(trace.attempts) == 2


async def test_a_large_foreach_is_started_in_slices(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.supervisor.dispatch.SLICE", 7)
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(
            """
  each: {kind: worker, worker: t.say, foreach: {items: "${{ inputs.words }}", as: w}, with: {text: "${{ w }}"}}
""",
            {"words": [str(number) for number in range(30)]},
            head="inputs: {words: {type: array}}\noutputs: {all: '${{ steps.each.output.map(each, each.text) }}'}",
        )
    assert result.output == {"all": [str(number) for number in range(30)]}
    assert len(trace.attempts) == 30


async def test_a_run_that_is_cancelled_before_it_begins_runs_nothing(database_url, tmp_path):
    settings = Settings(root=tmp_path, database=DatabaseSettings(url=database_url))
    async with Orchestrator.open(tmp_path, settings=settings, workers=workers_of({}), serve=False) as app:
        handle = await app.submit(flow("  s: {kind: worker, worker: t.say, with: {text: never}}"))
        await handle.cancel()
    async with opened(database_url, tmp_path) as scene:
        result = await (await scene.app.handle(handle.id)).result(timeout=30)
        assert (result.status, scene.calls["never"]) == ("cancelled", 0)


async def test_a_run_that_cannot_be_driven_is_given_up_and_says_so(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.supervisor.residents.CRASHES_ALLOWED", 2)
    settings = Settings(root=tmp_path, database=DatabaseSettings(url=database_url))
    async with Orchestrator.open(tmp_path, settings=settings, workers=workers_of({}), serve=False) as app:
        handle = await app.submit(flow("  s: {kind: worker, worker: t.say, with: {text: x}}"))
        await app.database.execute("DELETE FROM blobs")
    async with opened(database_url, tmp_path) as scene:
        handle = await scene.app.handle(handle.id)
        result = await handle.result(timeout=30)
        assert result.status == "failed" and result.error.code == "internal"
        async with asyncio.timeout(10):
            kinds = [stored.event.kind async for stored in handle.events()]
        assert kinds[-1] == "run.finished"


async def test_a_run_whose_owner_never_heard_that_it_owns_it_is_driven(database_url, tmp_path, monkeypatch):
    take, lost = residents.take_runs, []

    async def lose_the_answer(*arguments, **options):
        owned = await take(*arguments, **options)
        if not lost:
            lost.append(owned)
            raise DatabaseUnavailable("the connection broke before the answer came")
        return owned

    monkeypatch.setattr(residents, "take_runs", lose_the_answer)
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run("  s: {kind: worker, worker: t.say, with: {text: once}}")
        assert (result.status, scene.calls["once"], trace.run.epoch) == ("succeeded", 1, 2)


async def test_inputs_that_are_too_large_are_refused_with_both_sizes(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        workflow = flow("  a: {kind: worker, worker: t.say, with: {text: x}}", "inputs: {text: {type: string}}")
        with pytest.raises(InputsInvalid, match=r"have 10,000,011 bytes; the limit is 10,000,000"):
            await scene.app.submit(workflow, {"text": "x" * 10_000_000})
        await scene.app.submit(workflow, {"text": "x" * 9_999_989})
