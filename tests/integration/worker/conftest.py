"""A run in a database of the test's own."""

import pytest

from orchestrator.settings import WorkerSettings
from orchestrator.store import Database
from tests.integration.worker.scene import Scene, submit


@pytest.fixture
async def scene(database: Database) -> Scene:
    settings = WorkerSettings(concurrency=4, lease=3.0, max_output_bytes=4_000)
    return Scene(database, await submit(database), settings)
