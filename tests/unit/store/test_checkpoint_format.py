"""What stays in a checkpoint's JSON, and what is stored apart."""

import json
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from orchestrator.store.checkpoint_format import write_checkpoint, write_writes

SERDE = JsonPlusSerializer()


def lay_out(values: dict[str, Any], new_versions: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": new_versions}
    rows = write_checkpoint(checkpoint, new_versions, SERDE)  # type: ignore[arg-type]
    return json.loads(rows.text)["channel_values"], [channel for channel, *_ in rows.values]


@pytest.mark.parametrize("value", [None, True, 0, 10**30, "", "short"])
def test_short_plain_values_stay(value: Any) -> None:
    assert lay_out({"c": value}, {"c": "1"}) == ({"c": value}, [])


@pytest.mark.parametrize("value", [1.0, 1e30, "x" * 257, "two\nlines", "a\0b", "\ud800", b"bytes", [1], {"a": 1}])
def test_what_jsonb_would_change_or_what_is_long_is_stored_apart(value: Any) -> None:
    assert lay_out({"c": value}, {"c": "1"}) == ({}, ["c"])


def test_an_unchanged_value_is_not_stored_again() -> None:
    assert lay_out({"old": [1], "new": [2]}, {"new": "2"}) == ({}, ["new"])


def test_a_tasks_writes_keep_their_places() -> None:
    (places, channels, _, _), replace = write_writes([("a", 1), ("a", 2), ("b", 3)], SERDE)
    assert (places, channels, replace) == ([0, 1, 2], ["a", "a", "b"], False)


def test_of_langgraphs_own_channels_the_last_write_counts() -> None:
    (places, channels, _, data), replace = write_writes([("__error__", 1), ("__error__", 2)], SERDE)
    assert (places, channels, replace) == ([-1], ["__error__"], True)
    assert SERDE.loads_typed(("msgpack", data[0])) == 2
