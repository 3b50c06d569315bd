"""Bad workers: each is contained, so that others go on beside it; explained, by code and message; and visible."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from orchestrator.worker import Registry
from tests.integration.worker import misfits, specialists
from tests.integration.worker.scene import Scene, serving

REGISTRY = Registry([*misfits.ALL, *specialists.ALL])


async def lines_of(scene: Scene, identity) -> list[str]:
    return [each.event.data["message"] for each in await scene.events(identity) if each.event.kind == "attempt.log"]


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("hostile", "hostile", "(its __str__ raised RuntimeError)"),
        ("cancelled", "cancelled", "by myself"),
        ("exit", "system_exit", "sys.exit(0)"),
        ("interrupt", "keyboard_interrupt", "KeyboardInterrupt"),
        ("generator", "generator_exit", "GeneratorExit"),
        ("stop", "runtime", "StopIteration"),
        ("memory", "memory", "MemoryError"),
        ("group", "base_exception_group", "two (2 sub-exceptions)"),
    ],
)
async def test_whatever_is_raised_is_a_failed_attempt_and_others_go_on(scene: Scene, kind, code, message):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.raise", {"kind": kind})
        after = await scene.outcome("r.echo", step="after")
    assert (row.status, row.error.code) == ("failed", code)
    assert message in row.error.message
    assert after.status == "succeeded"


@pytest.mark.parametrize("kind", ["exit", "interrupt", "stop", "hostile"])
async def test_so_it_is_in_a_thread(scene: Scene, kind):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.raise_sync", {"kind": kind})
        after = await scene.outcome("r.echo", step="after")
    assert (row.status, after.status) == ("failed", "succeeded")


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("nan", "not_json", "NaN"),
        ("circle", "not_json", "ircular"),
        ("deep", "not_json", ""),
        ("bytes", "not_json", "utf-8"),
        ("large", "output_too_large", "50,000,0"),
        ("many", "output_too_large", "the limit is 4,000"),
    ],
)
async def test_what_cannot_be_stored_says_so_and_holds_up_nobody(scene: Scene, kind, code, message):
    async with serving(scene, registry=REGISTRY):
        identity = await scene.order("m.give", {"kind": kind})
        row = await scene.ended(identity)
        said = await lines_of(scene, identity)
    assert (row.status, row.error.code) == ("failed", code)
    assert message in row.error.message
    assert not [line for line in said if "blocks the event loop" in line]


async def test_a_spoilt_input_is_whole_again_in_the_next_attempt(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        first = await scene.outcome("m.mutate", {"list": [1]})
        second = await scene.outcome("m.mutate", {"list": [1]}, number=2)
        assert first.status == "failed"
        assert await scene.output(second) == {"list": [1, "mine"]}


@pytest.mark.parametrize(("how", "status"), [("plain", "succeeded"), ("raise", "failed"), ("deaf", "succeeded")])
async def test_a_task_that_is_left_running_is_cancelled_and_named(scene: Scene, how, status):
    misfits.finished.clear()
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.leak", {"how": how})
        said = await lines_of(scene, row.id)
        await asyncio.sleep(0.6)
    assert row.status == status
    assert any("left a task running, which was cancelled: leak.<locals>.go_on" in line for line in said), said
    assert misfits.finished == (["deaf"] if how == "deaf" else [])


async def test_a_task_that_is_just_ending_is_no_leak(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.leak", {"how": "brief"})
        assert not await lines_of(scene, row.id)
    assert asyncio.get_running_loop().get_task_factory() is None, "the loop is left as it was found"


@pytest.mark.parametrize("awaited", [True, False])
async def test_an_exit_in_a_task_does_not_end_the_process(scene: Scene, awaited):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.exit_in_task", {"awaited": awaited})
        after = await scene.outcome("r.echo", step="after")
    assert after.status == "succeeded"
    if awaited:
        assert (row.status, row.error.code) == ("failed", "system_exit")
        assert "sys.exit(0)" in row.error.message
    else:
        assert row.status == "succeeded"


async def test_who_blocks_the_event_loop_is_told_on_the_attempt_that_does(scene: Scene, caplog):
    with caplog.at_level(logging.ERROR, "orchestrator.worker.watchdog"):
        async with serving(scene, registry=REGISTRY):
            beside = await scene.order("r.sleep", {"seconds": 3}, step="beside")
            await scene.started(beside)
            row = await scene.outcome("m.block", {"seconds": 1.5})
            said = await lines_of(scene, row.id)
            assert not [line for line in await lines_of(scene, beside) if "block" in line]
    assert row.status == "succeeded"
    assert "misfits.py" in said[0]
    assert "this attempt blocks the event loop" in said[0]
    assert "by m.block (step s, attempt 1" in caplog.text


async def test_the_process_ends_before_the_lease_of_code_that_blocks_the_loop(scene: Scene):
    told: list[tuple[str, float]] = []
    async with serving(scene, registry=REGISTRY, on_stuck=lambda label: told.append((label, time.time()))):
        identity = await scene.order("m.block", {"seconds": scene.settings.lease + 1})
        row = await scene.ended(identity)
    (label, at) = told[0]
    assert label.startswith("m.block (step s, attempt 1")
    assert at < row.claimed_at + scene.settings.lease


async def test_one_that_hangs_without_a_heartbeat_is_stopped_at_its_workers_own_timeout(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.hang", idle=30.0)
    assert (row.status, row.error.error_class) == ("timed_out", "timeout")
    assert row.error.message == "not done after 0.3s (attempt timeout)"


async def test_a_million_log_lines_are_a_few(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.chatter", {"lines": 300_000})
        said = await lines_of(scene, row.id)
    assert row.status == "succeeded"
    assert len(said) == 201
    assert said[-1] == "299800 more log lines were dropped (an attempt keeps 200)"


async def test_huge_lines_are_cut(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.chatter", {"lines": 3, "width": 5_000_000})
        assert {len(line) for line in await lines_of(scene, row.id)} == {4_000}


async def test_a_child_cannot_flood_its_parent(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.child_chatter", {"lines": 100_000})
        events = await scene.events(row.id)
        said = await lines_of(scene, row.id)
    assert row.status == "succeeded"
    assert said[-1] == "99800 more log lines were dropped (an attempt keeps 200)"
    assert len(said) == 201
    assert len(events) < 400
    assert row.heartbeat == {"at": 99_999}


async def test_what_a_child_prints_is_bounded_and_redacted(scene: Scene, capfd):
    async with serving(scene, registry=REGISTRY, environ={"KEY": "sesame-open"}):
        row = await scene.outcome("m.child_prints", {"megabytes": 5}, options={"secrets": ["KEY"]})
        said = await lines_of(scene, row.id)
    out, err = capfd.readouterr()
    assert row.status == "succeeded"
    assert out == ""
    assert "the key is [redacted]" in err
    assert "sesame" not in err
    assert len(err) < 200_000
    assert any("of what it printed" in line for line in said), said


async def test_the_last_words_of_a_dead_child_are_kept(scene: Scene):
    options = {"secrets": ["KEY"]}
    async with serving(scene, registry=REGISTRY, environ={"KEY": "sesame-open"}):
        row = await scene.outcome("m.child_prints", {"megabytes": 1, "then": "die"}, options=options)
    assert (row.status, row.error.code) == ("failed", "child_died")
    assert "exit status 3" in row.error.message
    assert "last words: boiler pressure" in row.error.detail


async def test_a_child_with_a_memory_limit_fails_alone(scene: Scene):
    async with serving(scene, registry=REGISTRY):
        small = await scene.outcome("m.child_hog", {"megabytes": 1})
        large = await scene.outcome("m.child_hog", {"megabytes": 2_000}, step="large")
    assert small.status == "succeeded", small.error
    assert (large.status, large.error.code) == ("failed", "memory")
    assert "memory_mb=400" in large.error.message


@pytest.mark.parametrize(("how", "code"), [("sys", "system_exit"), ("interrupt", "keyboard_interrupt")])
async def test_a_child_that_exits_says_how(scene: Scene, how, code):
    async with serving(scene, registry=REGISTRY):
        row = await scene.outcome("m.child_exit", {"how": how})
    assert (row.status, row.error.code) == ("failed", code)
