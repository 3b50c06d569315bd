"""What `orchestrator doctor` finds behind a tier."""

import pytest

from orchestrator.errors import ModelUnavailable
from orchestrator.llm import probe_model
from orchestrator.settings import ModelSettings
from orchestrator.testing import ScriptedModel


async def test_a_server_that_answers(tmp_path):
    with ScriptedModel() as server:
        found = await probe_model("t", server.settings("scripted"), state_dir=tmp_path, environ={})
        other = await probe_model("t", server.settings("other"), state_dir=tmp_path, environ={})
    assert found == f"{server.base_url} answers"
    assert other.endswith("does not list other")


async def test_a_server_that_is_gone(tmp_path):
    with ScriptedModel() as server:
        settings = server.settings()
    with pytest.raises(ModelUnavailable, match="connection to the model's server failed"):
        await probe_model("t", settings, state_dir=tmp_path, environ={})


async def test_the_local_model_is_not_started_by_a_look(tmp_path):
    settings = ModelSettings(provider="local", model="smollm2-135m-instruct")
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert "not fetched yet" in await probe_model("t", settings, state_dir=tmp_path, environ=environ)
    assert list(tmp_path.iterdir()) == []
