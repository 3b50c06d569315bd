"""A run in a database of the test's own."""

import pytest

from orchestrator.store import Database
from tests.integration.store.scene import Scene, submit


@pytest.fixture
async def scene(database: Database) -> Scene:
    return Scene(database, await submit(database))
