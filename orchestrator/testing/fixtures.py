"""Pytest fixtures: put `pytest_plugins = ["orchestrator.testing.fixtures"]` into your `conftest.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from orchestrator.app import Orchestrator
from orchestrator.testing.throwaway import ThrowawayServer, app, throwaway_server

OpenApp = Callable[..., AbstractAsyncContextManager[Orchestrator]]


@pytest.fixture(scope="session")
def orchestrator_server() -> Iterator[ThrowawayServer]:
    """One Postgres server for the session."""
    with throwaway_server() as server:
        yield server


@pytest.fixture
def open_app(orchestrator_server: ThrowawayServer) -> OpenApp:
    """Opens apps on the session's server; a call takes what `orchestrator.testing.app` does."""
    return partial(app, server=orchestrator_server)
