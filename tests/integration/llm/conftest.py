"""A `Models` over a scripted server, what it told telemetry and the attempt, and the local model's file."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.errors import ModelUnavailable
from orchestrator.llm import Models, pull_model


class Told:
    """What the models told: to telemetry as calls, to the attempt as usage."""

    def __init__(self):
        self.calls = []
        self.usages = []

    def record_chat(self, call):
        self.calls.append(call)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
async def open_models(told, tmp_path):
    """Makes `Models` that are closed after the test."""
    opened = []

    def make(environ=None, **tiers):
        models = Models(tiers, state_dir=tmp_path / "state", tracing=told, environ=environ or {})
        opened.append(models)
        return models

    yield make
    for models in opened:
        await models.aclose()


@pytest.fixture(scope="session")
def weights():
    """The environment in which the local model's file is there; it is fetched into the user's own cache, once."""
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(lambda: asyncio.run(pull_model(os.environ))).result()
        except ModelUnavailable as error:
            pytest.skip(str(error))
    return {name: os.environ[name] for name in ("HOME", "XDG_CACHE_HOME") if name in os.environ}
