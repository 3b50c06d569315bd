"""The checkpoint saver against LangGraph's own conformance suite, with every capability."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from orchestrator.store.saver import AsyncpgSaver


@pytest.mark.parametrize("capability", list(Capability), ids=lambda capability: capability.value)
async def test_the_saver_conforms(empty_database_url: str, capability: Capability) -> None:
    @checkpointer_test(name="AsyncpgSaver")
    async def savers() -> AsyncIterator[AsyncpgSaver]:
        async with AsyncpgSaver.from_conn_string(empty_database_url) as saver:
            await saver.setup()
            yield saver

    report = await validate(savers, capabilities={capability.value})
    result = report.results[capability.value]
    assert result.detected
    assert result.failures == []
    assert result.tests_passed > 0
