"""A command that runs in a child process, because something in it may end the process: it is started again then."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence

import typer

from orchestrator.cli.failures import BAD_INPUT, FAILED, SUCCEEDED, UNREACHABLE
from orchestrator.cli.interrupts import Interrupts, on_signals
from orchestrator.placement.kept_process import BACKOFF, STEADY
from orchestrator.placement.lifeline import Lifeline


async def keep(arguments: Sequence[str]) -> int:
    """Run `orchestrator ARGUMENTS --lifeline N` on this process's terminal until it ends by itself; gives its code.

    It is done when it succeeded, and when its input was wrong or a service was away before it ever came up.
    Otherwise it is started again, ever more slowly. Signals go on to it; should this process be killed, it stops, too.
    """
    stopping = asyncio.Event()
    running: asyncio.subprocess.Process | None = None

    def pass_on() -> None:
        stopping.set()
        if running is not None and running.returncode is None:
            running.send_signal(signal.SIGTERM)

    lifeline, failures, final = Lifeline(), 0, {SUCCEEDED, BAD_INPUT, UNREACHABLE}
    command = (sys.executable, "-m", "orchestrator", *arguments, "--lifeline", str(lifeline.fd))
    with on_signals(Interrupts(pass_on, pass_on), signal.SIGINT, signal.SIGTERM):
        while True:
            begun = time.monotonic()
            # A session of its own: a Ctrl-C in the terminal reaches it once, through us.
            running = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=(lifeline.fd,), start_new_session=True
            )
            if stopping.is_set():  # while it was being started
                pass_on()
            code = await running.wait()
            if stopping.is_set() and code in {-signal.SIGTERM, UNREACHABLE}:  # before it had come up
                return SUCCEEDED
            if stopping.is_set() or code in final:
                return code if code >= 0 else FAILED
            final.discard(UNREACHABLE)
            failures = 1 if time.monotonic() - begun > STEADY else failures + 1
            pause = BACKOFF.delay(failures, "command")
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            typer.secho(f"the connection to Ray ended ({how}); next try in {pause:g} s", err=True, fg="yellow")
            try:
                await asyncio.wait_for(stopping.wait(), pause)
            except TimeoutError:
                continue
            return SUCCEEDED
