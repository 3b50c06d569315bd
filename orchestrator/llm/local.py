"""The local model as its users see it: started when it is first needed, shared by the processes of a project."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ModelUnavailable
from orchestrator.llm import server
from orchestrator.llm.file_lock import FileLock, is_held, locked
from orchestrator.llm.weights import SMOLLM2, Weights, is_pulled, pull_model, weights_path

log = logging.getLogger(__name__)

START_TIMEOUT = 60.0
HEALTH_TIMEOUT = 10.0
LOOK = 15.0
PAUSE = 0.02
LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a running server listens. `url` ends in `/v1`."""

    pid: int
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class LocalModelStatus:
    """What `orchestrator models list` says of the local model.

    Attributes:
        path: where its file is, or would be.
        pulled: whether it is there.
        size: of the file in bytes.
        runnable: whether the package that runs it is installed.
        pid: of the running server, None when there is none.
        log: of the server.
    """

    name: str
    path: Path
    pulled: bool
    size: int
    sha256: str
    runnable: bool
    pid: int | None
    log: Path


def local_model_status(state_dir: Path, environ: Mapping[str, str], weights: Weights = SMOLLM2) -> LocalModelStatus:
    """How the local model stands.

    Args:
        state_dir: of the project.
        environ: names the cache folder.
        weights: which model.
    """
    path, folder = weights_path(environ, weights), server_folder(state_dir, weights)
    running = registered(folder) if is_held(folder / server.ALIVE) else None
    return LocalModelStatus(
        weights.name,
        path,
        is_pulled(path, weights),
        weights.size,
        weights.sha256,
        _installed(),
        running.pid if running else None,
        folder / server.LOG,
    )


def server_folder(state_dir: Path, weights: Weights = SMOLLM2) -> Path:
    """Where a server and its users meet; one for each model file."""
    return state_dir / "local-model" / weights.sha256[:12]


def registered(folder: Path) -> Endpoint | None:
    """What the server wrote about itself; true only while `alive.lock` is held."""
    try:
        data = json.loads((folder / server.REGISTRATION).read_text())
        return Endpoint(data["pid"], data["url"], data["key"])
    except (OSError, ValueError, KeyError):
        return None


class LocalServer:
    """One process's share of the local model's server.

    While this is open the server stays; when no process has it open any more, the server ends by itself.

    Args:
        state_dir: of the project.
        environ: names the cache folder.
        weights: which model.
        linger: seconds that an unused server stays.
    """

    def __init__(
        self,
        state_dir: Path,
        environ: Mapping[str, str],
        *,
        weights: Weights = SMOLLM2,
        linger: float = server.LINGER,
    ) -> None:
        self._folder = server_folder(state_dir.absolute(), weights)
        self._environ = environ
        self._weights = weights
        self._linger = linger
        self._share = FileLock(self._folder / server.USERS)
        self._well: Endpoint | None = None
        self._well_at = 0.0

    async def open(self) -> Endpoint:
        """Where the server listens; starts one if there is none, or the one there does not answer.

        Raises:
            ModelUnavailable: its package or its file is missing, or it does not start.
        """
        if not self._share.take(shared=True):  # the last one is just ending
            await self._share.wait(shared=True)
        endpoint = self._running()
        if endpoint is not None and await self._is_well(endpoint):
            return endpoint
        if not _installed():
            raise ModelUnavailable(
                "the local model needs the package xllamacpp, which is not installed",
                remedy="pip install 'graph-orchestrator[local]', or set OPENAI_API_KEY or OPENAI_BASE_URL",
            )
        path = await pull_model(self._environ, weights=self._weights, report=log.info)
        async with locked(self._folder / "start.lock"):
            return self._running() or await self._start(path)

    def close(self) -> None:
        """This process needs the server no more."""
        self._share.release()

    def _running(self) -> Endpoint | None:
        return registered(self._folder) if is_held(self._folder / server.ALIVE) else None

    async def _is_well(self, endpoint: Endpoint) -> bool:
        """Whether the server answers, asked now and then; one that does not is ended, for another to be started."""
        if endpoint == self._well and time.monotonic() - self._well_at < LOOK:
            return True
        if not await _answers(endpoint):
            async with locked(self._folder / "start.lock"):
                if self._running() == endpoint and not await _answers(endpoint):
                    log.warning("the local model's server (pid %d) does not answer and is ended", endpoint.pid)
                    os.kill(endpoint.pid, signal.SIGKILL)
                    while is_held(self._folder / server.ALIVE):  # noqa: ASYNC110 - another process holds it
                        await asyncio.sleep(PAUSE)
            return False
        self._well, self._well_at = endpoint, time.monotonic()
        return True

    async def _start(self, weights: Path) -> Endpoint:
        """Start a server, or wait for one that another process began to start and did not live to see."""
        began = time.monotonic()
        if not is_held(self._folder / server.ALIVE):
            (self._folder / server.REGISTRATION).unlink(missing_ok=True)
            await self._launch(weights)
        while time.monotonic() - began < START_TIMEOUT:
            alive = is_held(self._folder / server.ALIVE)
            endpoint = registered(self._folder)
            if alive and endpoint is not None:
                log.info("the local model is up after %.1f s (pid %d)", time.monotonic() - began, endpoint.pid)
                return endpoint
            if not alive:
                raise self._failed("ended while it loaded")
            await asyncio.sleep(PAUSE)
        raise self._failed(f"was not up after {START_TIMEOUT:.0f} s")

    async def _launch(self, weights: Path) -> None:
        command = [sys.executable, "-P", str(Path(server.__file__)), "--folder", str(self._folder)]
        command += ["--weights", str(weights), "--name", self._weights.name, "--sha256", self._weights.sha256]
        launcher = await asyncio.create_subprocess_exec(
            *command,
            "--linger",
            str(self._linger),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                _, said = await launcher.communicate()
        except TimeoutError:
            raise self._failed(f"had not begun to load after {START_TIMEOUT:.0f} s") from None
        if launcher.returncode not in {0, server.TAKEN}:
            raise self._failed(f"did not start: {said.decode(errors='replace').strip()[-500:]}")

    def _failed(self, how: str) -> ModelUnavailable:
        path = self._folder / server.LOG
        try:
            last = path.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]
        except OSError:
            last = []
        said = "".join(f"\n    {line}" for line in last)
        return ModelUnavailable(
            f"the local model's server {how}{said}",
            remedy=f"its log is {path}; `orchestrator models pull --force` fetches the model's file again",
        )


async def _answers(endpoint: Endpoint) -> bool:
    import openai  # takes a third of a second

    client = openai.AsyncOpenAI(
        base_url=endpoint.url,
        api_key=endpoint.key,
        max_retries=0,
        timeout=HEALTH_TIMEOUT,
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
    )
    try:
        async with client:
            await client.models.list()
    except openai.APIError:
        return False
    return True


def _installed() -> bool:
    return importlib.util.find_spec("xllamacpp") is not None
