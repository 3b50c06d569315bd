"""Agent attempts through the real runtime and the real client, against a scripted server."""

from __future__ import annotations

import pytest

from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.llm import Models
from orchestrator.settings import ModelSettings
from orchestrator.testing import (
    ScriptedModel,
    answer_json,
    broken_body,
    dropped_connection,
    rate_limit,
    server_error,
    truncated,
)
from tests.integration.worker.scene import Scene, serving

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture
async def agent(scene: Scene, tmp_path):
    """Runs one agent attempt against a script; gives its row."""

    async def run(model: ScriptedModel, **changes):
        settings = ModelSettings(model="scripted", base_url=model.base_url, input_price=1.0, output_price=2.0)
        models = Models({"small": settings}, state_dir=tmp_path, environ=model.environ)
        try:
            async with serving(scene, models=models):
                value = {"prompt": "How many?", "system": None, "schema": SCHEMA, "with": {}}
                options = {"model": "small", **changes.pop("options", {})}
                return await scene.outcome(AGENT_WORKER, value, options=options, **changes)
        finally:
            await models.aclose()

    return run


async def test_the_answer_its_tokens_and_its_cost_are_stored(scene: Scene, agent):
    with ScriptedModel([answer_json({"n": 3}, input_tokens=1_000, output_tokens=500)]) as model:
        row = await agent(model)
    assert await scene.output(row) == {"n": 3}
    assert (row.input_tokens, row.output_tokens, row.model_calls) == (1_000, 500, 1)
    assert row.cost_usd == pytest.approx(0.002)


async def test_a_revision_tells_the_model_what_was_wrong(agent):
    with ScriptedModel([{"n": 4}]) as model:
        await agent(model, number=2, options={"feedback": ["n is too small"]})
    assert "n is too small" in model.requests[0].text


@pytest.mark.parametrize(
    ("reply", "error_class"),
    [
        (rate_limit(), "rate_limit"),
        (server_error(), "server_error"),
        (dropped_connection(), "connection"),
        ("{not json", "invalid_output"),
        (truncated('{"n": '), "invalid_output"),
    ],
)
async def test_what_goes_wrong_has_its_class(agent, reply, error_class):
    with ScriptedModel([reply]) as model:
        row = await agent(model)
    assert row.status == "failed"
    assert row.error.error_class == error_class


async def test_a_broken_body_is_the_servers_error(agent):
    with ScriptedModel([broken_body()]) as model:
        row = await agent(model)
    assert row.status == "failed"
    assert row.error.error_class in ("server_error", "connection")
