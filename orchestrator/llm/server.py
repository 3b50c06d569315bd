"""The local model's server: `python -m orchestrator.llm.server --folder F --weights W --name N --sha256 S`.

It detaches itself, listens on a free port of the loopback, writes `server.json`, and ends a few seconds after the last
process that shares `users.lock` has ended. It is started as a file and imports nothing of this package, so that it is
up in half a second.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

SLOTS = 2
CONTEXT = 4_096
"""Tokens of one slot: prompt and answer together."""

HTTP_THREADS = 64
"""Each waiting call holds one; too few, and a busy server would look like a dead one."""

LINGER = 5.0
LOOK = 0.5
LOCK_PATIENCE = 2.0
MAX_LOG = 1_000_000
ALIVE, USERS, REGISTRATION, LOG = "alive.lock", "users.lock", "server.json", "server.log"
TAKEN = 75


def threads() -> int:
    """Half of the cores that this process may use, at least one.

    llama.cpp's threads meet at a spinning barrier after every layer. When other processes want the cores, too, as
    workers and Postgres do, two threads on two cores made 5 to 8 tokens a second where one made 129.
    """
    return max(1, min(8, len(os.sched_getaffinity(0)) // 2))


def main(arguments: list[str]) -> int:
    """Start the server and detach; the exit code is 0 once the server has begun to load."""
    parser = argparse.ArgumentParser()
    for name in ("--folder", "--weights"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--name", "--sha256"):
        parser.add_argument(name, required=True)
    parser.add_argument("--linger", type=float, default=LINGER)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    alive = _take_alive(options.folder / ALIVE)
    if alive is None:
        return TAKEN
    if os.fork():
        return 0
    _detach(options.folder / LOG, alive)
    try:
        _serve(options)
    except BaseException as error:  # noqa: BLE001 - the process ends here, and its log is all that is left
        _log(f"cannot start: {type(error).__name__}: {error}")
    finally:
        (options.folder / REGISTRATION).unlink(missing_ok=True)
        os._exit(0)  # the server's own threads may not end


def _take_alive(path: Path) -> int | None:
    """The lock that says "a server runs". It survives the fork and ends with the last process that holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return None
            time.sleep(LOOK / 10)
        else:
            return descriptor


def _detach(log: Path, alive: int) -> None:
    """Leave the starter's session, and all of its open files but the lock.

    Loops such as uvloop hand a second copy of a pipe to their children; its reader would wait for this process's end.
    """
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if log.exists() and log.stat().st_size > MAX_LOG:
        log.unlink()
    null = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.closerange(3, alive)
    os.closerange(alive + 1, os.sysconf("SC_OPEN_MAX"))


def _serve(options: argparse.Namespace) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    key = secrets.token_urlsafe(24)
    server = _load(options.weights, options.name, key)
    registration = options.folder / REGISTRATION
    _register(registration, {"pid": os.getpid(), "url": f"{server.listening_address}/v1", "key": key,
                             "model": options.name, "sha256": options.sha256})  # fmt: skip
    _log(f"{options.name} listens on {server.listening_address}")
    _wait_for_the_last_user(options.folder / USERS, registration, options.linger, stop)
    _log("nobody uses the server any more")


def _load(weights: Path, name: str, key: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.n_parallel = SLOTS
    params.n_threads_http = HTTP_THREADS
    params.n_ctx = SLOTS * CONTEXT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads()
    params.ctx_shift = False
    params.warmup = False
    params.fit_params = False
    params.cache_ram_mib = 0  # else up to 8 GB of old prompts are kept
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    return xllamacpp.Server(params)


def _register(path: Path, registration: dict[str, Any]) -> None:
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(registration, file)
    draft.replace(path)


def _wait_for_the_last_user(users: Path, registration: Path, linger: float, stop: threading.Event) -> None:
    """Return, holding the users' lock alone, when nobody has shared it for `linger` seconds.

    Who comes meanwhile waits for the lock, then finds no registration, and starts another server.
    """
    descriptor = os.open(users, os.O_RDWR | os.O_CREAT, 0o600)
    idle_since: float | None = None
    while not stop.wait(LOOK) and registration.exists():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            idle_since = None
            continue
        now = time.monotonic()
        idle_since = now if idle_since is None else idle_since
        if now - idle_since >= linger:
            return
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _log(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} [{os.getpid()}] {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
