"""What every command is given: the project's folder and the log level; and how it reads the project."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.logs import configure_logging
from orchestrator.errors import InputError, NotFound

if TYPE_CHECKING:
    from orchestrator.app import Orchestrator
    from orchestrator.settings import Settings
    from orchestrator.worker import Registry
    from orchestrator.workflow import Workflow

DISTRIBUTION = "graph-orchestrator"


def package_version() -> str:
    """The installed version, or `0+unknown` when the package is used without being installed."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+unknown"


@dataclass(frozen=True)
class Invocation:
    """One call of the command line.

    Attributes:
        project: the folder where the search for the project begins.
        log_level: as the person gave it, or None for the command's own default.
    """

    project: Path
    log_level: str | None

    @classmethod
    def of(cls, *, project: Path, log_level: str | None) -> Invocation:
        """Check the shared options.

        Raises:
            InputError: the folder does not exist.
        """
        if not project.is_dir():
            raise InputError(f"the project folder {project} does not exist", remedy="give --project a folder")
        return cls(project, log_level)

    def log(self, default: str = "warning") -> None:
        """Send our logs to stderr at the level that was asked for, else at `default`."""
        configure_logging(self.log_level or default)

    def settings(self) -> Settings:
        """The settings of the project around the folder."""
        from orchestrator.project import find_project, load_settings

        return load_settings(find_project(self.project), os.environ)

    def client(self) -> AbstractAsyncContextManager[Orchestrator]:
        """The project's database without supervisor and workers, and without importing the user's code."""
        from orchestrator.app import Orchestrator

        settings = self.settings().model_copy(update={"worker_modules": (), "worker_packs": ()})
        return Orchestrator.open(self.project, settings=settings, serve=False)


@asynccontextmanager
async def reachable_database(settings: Settings) -> AsyncIterator[str]:
    """The URL of the configured database, or of the embedded server, which runs until the block ends."""
    if settings.database.url is not None:
        yield settings.database.url
        return
    from orchestrator.store import EmbeddedPostgres

    server = await asyncio.to_thread(EmbeddedPostgres.start, settings.state_dir / "postgres")
    try:
        yield server.url
    finally:
        await asyncio.to_thread(server.close)


def read_registry(settings: Settings) -> Registry:
    """Import the project's workers."""
    from orchestrator.project import load_registry

    return load_registry(settings)


def read_workflow(settings: Settings, registry: Registry, graph: str) -> Workflow:
    """Load and check a workflow by its path or by its name in the project's graphs folder.

    Raises:
        WorkflowError: with every mistake in the file.
        NotFound: there is no such file.
    """
    from orchestrator.project import graph_path
    from orchestrator.workflow import load_workflow
    from orchestrator.workflow.suggestions import suggest

    path = graph_path(settings, graph)
    if path is None:
        raise NotFound(
            f"there is no workflow file {graph!r}, and no graph of that name in {settings.root / settings.graphs}",
            remedy=suggest(graph, known_graphs(settings)),
        )
    return load_workflow(path, catalogue=registry.catalogue, model_tiers=set(settings.models))


def known_graphs(settings: Settings) -> list[str]:
    """The names of the workflow files in the project's graphs folder."""
    return sorted(path.stem for path in (settings.root / settings.graphs).glob("*.y*ml"))
