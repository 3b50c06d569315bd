"""A kept process is started again when it ends unasked, stops when told, and does not outlive its starter."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orchestrator.domain.policy import Backoff
from orchestrator.placement import kept_process
from orchestrator.placement.kept_process import KeptProcess
from orchestrator.placement.lifeline import Lifeline
from orchestrator.placement.process_log import ProcessLog

SERVE = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def lifeline() -> Iterator[Lifeline]:
    held = Lifeline()
    yield held
    held.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(kept_process, "BACKOFF", Backoff(initial=0.05, factor=1.5, jitter=False))
    return []


@asynccontextmanager
async def kept(folder: Path, lifeline: Lifeline, told: list[str], code: str) -> AsyncIterator[KeptProcess]:
    log = ProcessLog(folder / "it.log")
    process = KeptProcess("it", [sys.executable, "-c", code], log=log, lifeline=lifeline.fd, tell=told.append)
    try:
        yield process
    finally:
        process.stop()
        await process.ended(0.5)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.02)


async def test_a_process_that_is_killed_is_started_again(tmp_path, lifeline, told):
    async with kept(tmp_path, lifeline, told, SERVE) as process:
        await until(lambda: process.log.last_line() == "up")
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.pid not in (None, first))
    assert process.pid is None
    assert len(told) == 1
    assert told[0].startswith("it was killed by signal 9 after ")


async def test_a_crash_loop_is_said_plainly_and_slows_down(tmp_path, lifeline, told):
    async with kept(tmp_path, lifeline, told, "raise SystemExit('no config')"):
        await until(lambda: len(told) >= 4)
    assert all("ended with exit code 1" in line and "it said: no config" in line for line in told)
    assert "in a row" not in told[1]
    assert "3 times in a row: it does not come up; next try in 0.1125 s" in told[2]
    assert str(tmp_path / "it.log") in told[2]


async def test_a_program_that_cannot_be_started_is_told_like_one_that_ends(tmp_path, lifeline, told):
    log = ProcessLog(tmp_path / "it.log")
    process = KeptProcess("it", [str(tmp_path / "nothing")], log=log, lifeline=lifeline.fd, tell=told.append)
    await until(lambda: len(told) >= 2)
    process.stop()
    await process.ended(5.0)
    assert "could not be started" in told[0]


async def test_without_room_for_its_log_a_process_is_tried_again(tmp_path, lifeline, told):
    (tmp_path / "logs").write_text("no folder can be made here")
    async with kept(tmp_path / "logs", lifeline, told, SERVE) as process:
        await until(lambda: told)
        assert "could not be started" in told[0]
        assert process.log.errors() == []
        (tmp_path / "logs").unlink()
        await until(lambda: process.log.last_line() == "up")


async def test_one_that_does_not_stop_is_killed(tmp_path, lifeline, told):
    async with kept(tmp_path, lifeline, told, DEAF) as process:
        await until(lambda: process.log.last_line() == "up")
        process.stop()
        begun = time.monotonic()
        await process.ended(0.3)
        assert 0.25 < time.monotonic() - begun < 5
    assert told == ["it did not stop within 0.3 s and is killed"]


STARTER = """
import asyncio, sys
from pathlib import Path
from orchestrator.placement.kept_process import KeptProcess
from orchestrator.placement.lifeline import Lifeline
from orchestrator.placement.process_log import ProcessLog

async def main():
    lifeline = Lifeline()
    for name, code in zip(sys.argv[2::2], sys.argv[3::2]):
        code = code.replace("FD", str(lifeline.fd))
        KeptProcess(name, [sys.executable, "-c", code], log=ProcessLog(Path(sys.argv[1]) / f"{name}.log"),
                    lifeline=lifeline.fd, tell=print)
    await asyncio.sleep(60)

asyncio.run(main())
"""
HOLD = "import os, time; from orchestrator.placement.lifeline import hold_on; hold_on(FD, 0.5); "


async def test_those_who_were_started_end_when_their_starter_is_killed(tmp_path: Path):
    """Also one that holds the interpreter in a busy loop and does not hear of SIGTERM."""
    say = "print(os.getpid(), flush=True); "
    codes = {
        "willing": HOLD + say + "time.sleep(60)",
        "blocked": HOLD + say + "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
    }
    words = [word for pair in codes.items() for word in pair]
    starter = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", STARTER, str(tmp_path), *words])
    logs = {name: tmp_path / f"{name}.log" for name in codes}
    try:
        await until(lambda: all(log.exists() and log.read_text().strip() for log in logs.values()))
        pids = [int(log.read_text()) for log in logs.values()]
        assert all(runs(pid) for pid in pids)
    finally:
        starter.kill()
        starter.wait()
    await until(lambda: not any(runs(pid) for pid in pids))


def runs(pid: int) -> bool:
    """Whether it is there and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
