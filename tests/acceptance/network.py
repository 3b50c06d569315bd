"""A second network namespace, joined to ours by a link that can be cut; and a Postgres that listens there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.store import postgres_server
from orchestrator.store.embedded import EmbeddedPostgres

MISSING = None if os.geteuid() == 0 and shutil.which("ip") else "network namespaces need root and the program `ip`"


class Link:
    """A namespace `name` behind a pair of interfaces, ours with the address `ours`."""

    def __init__(self) -> None:
        number = os.getpid() % 250 + 1
        self.name = f"orchestrator{os.getpid()}"
        self.device = f"orch{os.getpid()}"
        self.ours, self.theirs = f"10.213.{number}.1", f"10.213.{number}.2"

    @property
    def prefix(self) -> tuple[str, ...]:
        """Stands before a command that is to run in the namespace, under the same process id."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        _ip("link", "set", self.device, "down")

    def mend(self) -> None:
        """Undo `cut`."""
        _ip("link", "set", self.device, "up")


@contextmanager
def linked() -> Iterator[Link]:
    """Make the namespace, and remove it at the end with all that is in it."""
    link = Link()
    _ip("netns", "add", link.name)
    try:
        _ip("link", "add", link.device, "type", "veth", "peer", "name", "eth0", "netns", link.name)
        _ip("address", "add", f"{link.ours}/30", "dev", link.device)
        _ip("link", "set", link.device, "up")
        _ip("-n", link.name, "address", "add", f"{link.theirs}/30", "dev", "eth0")
        _ip("-n", link.name, "link", "set", "eth0", "up")
        yield link
    finally:
        _ip("netns", "delete", link.name)


@contextmanager
def listening(data_dir: Path, link: Link, patch: object) -> Iterator[EmbeddedPostgres]:
    """A server of its own that also listens on our end of the link.

    Args:
        data_dir: of the server.
        link: whose other end may connect.
        patch: pytest's `monkeypatch`.
    """
    patch.setitem(postgres_server._SERVER_OPTIONS, "listen_addresses", link.ours)
    server = EmbeddedPostgres.start(data_dir)
    try:
        with (data_dir / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {link.theirs}/32 trust\n")
        yield server
    finally:
        server.close()


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
