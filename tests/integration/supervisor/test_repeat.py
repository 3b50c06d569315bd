"""`repeat`: again until it is good enough, with the last iteration to build on."""

from __future__ import annotations

import pytest

from tests.integration.supervisor.scene import opened

GROW = """
  grow:
    kind: worker
    worker: t.say
    with: {{text: a}}
    repeat:
      until: size(output.text) >= {size}
      max: {most}
      with: {{text: "${{{{ previous.output.text + string(iteration) }}}}"}}
    {more}
"""
HEAD = "outputs: {said: '${{ steps.grow.output.text }}'}"


async def test_each_iteration_builds_on_the_one_before(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(GROW.format(size=3, most=5, more=""), head=HEAD)
    assert (result.status, result.output) == ("succeeded", {"said": "a23"})
    assert [(row.number, row.status) for row in trace.attempts] == [(n, "succeeded") for n in (1, 2, 3)]
    keys = [row.idempotency_key for row in trace.attempts]
    assert keys == [f"{result.run_id}/grow", f"{result.run_id}/grow/2", f"{result.run_id}/grow/3"]


async def test_an_until_that_is_true_at_once_ends_it(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(GROW.format(size=1, most=5, more=""), head=HEAD)
    assert (result.output, len(trace.attempts)) == ({"said": "a"}, 1)


async def test_reaching_the_most_fails(database_url, tmp_path):
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(GROW.format(size=9, most=2, more=""), head=HEAD)
    assert result.status == "failed"
    assert result.error.code == "repeat_exhausted"
    assert "size(output.text) >= 9 was still false after 2 iterations" in result.error.message
    assert len(trace.attempts) == 2


async def test_on_error_may_go_on_after_the_last_iteration(database_url, tmp_path):
    more = "on_error: [{if: 'error.code == \"repeat_exhausted\"', do: continue, output: {text: enough}}]"
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(GROW.format(size=9, most=2, more=more), head=HEAD)
    assert (result.status, result.output) == ("succeeded", {"said": "enough"})


async def test_each_iteration_is_validated_with_its_remedies_afresh(database_url, tmp_path):
    """`t.say` answers in capitals once it has feedback, so that every iteration needs one revision."""
    more = "validate: [{worker: t.upper}]\n    on_invalid: [{do: revise, times: 1}]"
    async with opened(database_url, tmp_path) as scene:
        steps = GROW.format(size=3, most=5, more=more).replace("string(iteration)", "'b'")
        result, trace = await scene.run(steps, head=HEAD)
    assert (result.status, result.output) == ("succeeded", {"said": "ABB"})
    assert len([row for row in trace.attempts if row.purpose == "work"]) == 6
    assert [verdict.passed for verdict in sorted(trace.verdicts, key=lambda row: row.created_at)] == [False, True] * 3


@pytest.mark.parametrize("until", ["output.missing", "1 / 0 == 1"])
async def test_an_until_that_does_not_evaluate_fails(database_url, tmp_path, until):
    steps = f'  grow: {{kind: worker, worker: t.loose, with: {{}}, repeat: {{until: "{until}", max: 2}}}}\n'
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(steps)
    assert (result.status, result.error.code) == ("failed", "expression_error")


async def test_what_on_error_gives_ends_the_step(database_url, tmp_path):
    steps = """
  grow:
    kind: worker
    worker: t.flaky
    with: {failures: 9, error: duplicate}
    repeat: {until: output.text == "never", max: 4}
    on_error: [{if: error.code == "duplicate", do: continue, output: {text: existing}}]
"""
    async with opened(database_url, tmp_path) as scene:
        result, trace = await scene.run(steps, head=HEAD)
    assert (result.status, result.output, len(trace.attempts)) == ("succeeded", {"said": "existing"}, 1)


async def test_on_error_answers_an_until_that_does_not_evaluate(database_url, tmp_path):
    steps = """
  grow:
    kind: worker
    worker: t.loose
    with: {}
    repeat: {until: output.missing, max: 2}
    on_error: [{if: error.code == "expression_error", do: continue, output: {text: so be it}}]
"""
    async with opened(database_url, tmp_path) as scene:
        result, _ = await scene.run(steps, head=HEAD)
    assert (result.status, result.output) == ("succeeded", {"said": "so be it"})
