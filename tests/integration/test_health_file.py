"""The health file: there and fresh while the event loop runs, old when something blocks it, gone at the end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from orchestrator.cli import health
from orchestrator.cli.health import healthy


async def test_it_is_fresh_while_the_loop_runs_and_gone_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(health, "EVERY", 0.05)
    file = tmp_path / "run" / "health"
    async with healthy(file):
        await asyncio.sleep(0.3)
        assert time.time() - file.stat().st_mtime < 0.2
        time.sleep(0.5)  # noqa: ASYNC251 - what the probe is there to notice
        assert time.time() - file.stat().st_mtime > 0.4
        await asyncio.sleep(0.1)
        assert time.time() - file.stat().st_mtime < 0.1
    assert not file.exists()


async def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    async with healthy(None):
        await asyncio.sleep(0.01)
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
