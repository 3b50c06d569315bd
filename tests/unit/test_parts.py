"""What a process is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.parts import secrets_of
from orchestrator.settings import ModelSettings, Settings


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("postgresql://app:s3same@db:5432/orchestrator", True),
        ("postgresql://db/orchestrator?user=app&password=s3same", True),
        ("postgresql://app@db/orchestrator", False),
        ("postgresql:///postgres?host=/tmp/socket", False),
    ],
)
def test_a_url_that_holds_a_password_is_among_what_is_hidden(url: str, hidden: bool):
    settings = Settings(root=Path(), models={"small": ModelSettings(model="m", api_key_env="KEY")})
    secrets = secrets_of(settings, url, {"KEY": "sk-123456"})
    assert secrets == ["sk-123456", *([url] if hidden else [])]
