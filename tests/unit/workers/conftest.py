from __future__ import annotations

from pathlib import Path

import pytest

import workers.places


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's root of the test's own, so that nothing is written to this repository."""
    monkeypatch.setattr(workers.places, "PROJECT_ROOT", tmp_path)
    return tmp_path
