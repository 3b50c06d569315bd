"""Durations as people write them."""

from __future__ import annotations

import pytest

from orchestrator.workflow import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", 2), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("1h5ms", 3600.005), ("1.5m", 90), ("48h", 172800),
     ("1d", 86400), (3, 3), (0.25, 0.25), ("0s", 0)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "1", "1 m", "1 minute", "-1s", "1s1m", "1x", "٣s", None, True, [], -1, float("nan"), 1e12, "1e3s"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
