"""The processes under test: started as a person would, mended as whoever runs them would, ended by their ids."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import specialists

REPOSITORY = Path(__file__).parents[2]
STOP_SECONDS = 40.0
NO_SERVICE = 3
"""What a process ends with that finds no database when it starts."""

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "supervisor-1": ("supervisor",),
    "supervisor-2": ("supervisor",),
    "worker-1": ("worker", "--pool", "labour"),
    "worker-2": ("worker", "--pool", "labour"),
    "worker-3": ("worker", "--pool", "judges"),
}


@dataclass
class Member:
    """One place in the fleet, and the process that fills it now."""

    name: str
    running: subprocess.Popen[bytes]
    frozen: bool = False
    killed: bool = False
    since: float = field(default_factory=time.monotonic)


class Fleet:
    """Two supervisors, two workers of the pool `labour`, one of `judges`.

    Args:
        root: of a project that `make_project` made.
        environment: of the processes, besides our own.

    Attributes:
        deaths: how often a process ended by itself, by its exit code, without those that found no database.
    """

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = _clean_environment() | dict(environment)
        self._members: dict[str, Member] = {}
        self.deaths: Counter[str] = Counter()
        self.restarts = 0

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        return [member.running.pid for member in self._members.values() if member.running.poll() is None]

    @property
    def logs(self) -> list[Path]:
        """What they say."""
        return [self._log(name) for name in MEMBERS]

    def start(self) -> None:
        """Start all; they are ready somewhat later."""
        for name in MEMBERS:
            self._members[name] = Member(name, self._spawn(name))

    def mend(self) -> None:
        """Start again what is gone; what ended by itself is noted."""
        for name, member in self._members.items():
            code = member.running.poll()
            if code is None:
                continue
            if not member.killed and not (code == NO_SERVICE and time.monotonic() - member.since < 20.0):
                self.deaths[f"{name} exited with {code}"] += 1
            self.restarts += 1
            self._members[name] = Member(name, self._spawn(name))

    def kill(self, what: str, chance: float, serving: Container[int]) -> str | None:
        """Kill -9 one of those that serve and have names that begin so; gives its name, None where there is none."""
        named = [each for each in self._members.values() if each.name.startswith(what)]
        members = [each for each in named if each.running.pid in serving and each.running.poll() is None]
        if not members:
            return None
        member = self._choose(members, chance)
        member.killed = True
        member.running.kill()
        member.running.wait()
        return member.name

    def freeze(self, chance: float) -> str | None:
        """Stop one that is not stopped yet with SIGSTOP; gives its name, None where there is none."""
        awake = [each for each in self._members.values() if not each.frozen and each.running.poll() is None]
        if not awake:
            return None
        member = self._choose(awake, chance)
        member.frozen = True
        member.running.send_signal(signal.SIGSTOP)
        return member.name

    def thaw(self, name: str) -> None:
        """Let a frozen one go on, unless it was killed meanwhile."""
        member = self._members[name]
        if member.frozen:
            member.frozen = False
            member.running.send_signal(signal.SIGCONT)

    def thaw_all(self) -> None:
        """Let everybody go on."""
        for name in self._members:
            self.thaw(name)

    def close(self) -> None:
        """End all: SIGTERM, and after `STOP_SECONDS` SIGKILL. One that does not end well by itself is noted."""
        self.thaw_all()
        for member in self._members.values():
            if member.running.poll() is None:
                member.running.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for member in self._members.values():
            try:
                code = member.running.wait(max(0.0, deadline - time.monotonic()))
                if code not in (0, -signal.SIGTERM):
                    self.deaths[f"{member.name} ended with {code} when asked to stop"] += 1
            except subprocess.TimeoutExpired:
                self.deaths[f"{member.name} did not stop when asked to"] += 1
                member.running.kill()
                member.running.wait()
        self._members.clear()

    def _choose(self, members: list[Member], chance: float) -> Member:
        return members[min(int(chance * len(members)), len(members) - 1)]

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *MEMBERS[name]],
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _log(self, name: str) -> Path:
        return self._root / f"{name}.log"


def make_project(root: Path, model_url: str) -> Path:
    """A project folder with the suite's workers and one model; gives the folder of its graphs."""
    graphs, configs = root / "graphs", root / "configs"
    for folder in (graphs, configs):
        folder.mkdir(parents=True)
    (root / "pyproject.toml").write_text(
        '[tool.orchestrator]\nworkers = ["specialists"]\ngraphs = "graphs"\nconfig = "configs/default.yaml"\n'
    )
    (configs / "default.yaml").write_text("tenant: default\n")
    (configs / "models.yaml").write_text(
        f"small: {{provider: openai, model: scripted, base_url: {model_url}, input_price: 3.0, output_price: 7.0}}\n"
    )
    shutil.copy(Path(str(specialists.__file__)), root / "specialists.py")
    return graphs


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "ORCHESTRATOR"))}
    return kept | {"PYTHONPATH": str(REPOSITORY), "OPENAI_API_KEY": "scripted"}
