"""The composition root: an opened project, made of the parts that `parts.py` chooses and joins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from orchestrator.client import AllTenants, PinnedRuns, Question, RunHandle, RunResult
from orchestrator.domain.identity import RunId
from orchestrator.domain.worker import Catalogue
from orchestrator.errors import NotFound
from orchestrator.llm import Models
from orchestrator.parts import Parts, database_url, join
from orchestrator.project import find_project, graph_path, load_registry, load_settings
from orchestrator.queue import install
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.store import Database, migrate, runs, workers
from orchestrator.store.runs import RunRow
from orchestrator.worker import Registry
from orchestrator.workflow import Workflow


class Orchestrator:
    """An opened project, or a connection to a database that other processes serve."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._loaded: WeakValueDictionary[int, Workflow] = WeakValueDictionary()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        project: Path | str = ".",
        *,
        workers: Sequence[object] = (),
        settings: Settings | None = None,
        environ: Mapping[str, str] | None = None,
        pools: Sequence[str] | None = None,
        serve: bool = True,
    ) -> AsyncIterator[Orchestrator]:
        """Open a project with everything in this process, on the embedded Postgres unless a database is configured.

        Args:
            project: a folder of the project, or one below it; one without the mark is an empty project.
            workers: decorated functions besides those of the project.
            settings: instead of the project's own.
            environ: instead of the process's environment.
            pools: which pools to serve, all of the registered workers by default.
            serve: False for a client that has the project but runs nothing.

        Raises:
            ProjectError: the project cannot be read.
            ServiceError: the database or a missing extra.
        """
        env = os.environ if environ is None else environ
        chosen = settings or load_settings(find_project(Path(project)), env)
        registry = load_registry(chosen)
        for each in workers:
            registry.add(each)
        async with AsyncExitStack() as stack:
            url = await database_url(stack, chosen)
            await migrate(url, [install])
            app = cls(await join(stack, chosen, registry, url, env))
            await app._publish()
            if serve:
                await stack.enter_async_context(app._serving(pools))
            yield app

    @classmethod
    @asynccontextmanager
    async def connect(cls, *, database: str, tenant: str = "default") -> AsyncIterator[Orchestrator]:
        """A client of a database that supervisors and workers elsewhere serve.

        Args:
            database: `postgresql://…`.
            tenant: whose runs are begun and seen where a call does not say.

        Raises:
            DatabaseUnavailable: it does not answer.
        """
        settings = Settings(root=Path.cwd(), tenant=tenant, database=DatabaseSettings(url=database))
        async with AsyncExitStack() as stack:
            yield cls(await join(stack, settings, Registry(), database, {}))

    @property
    def settings(self) -> Settings:
        """The project's settings."""
        return self._parts.settings

    @property
    def registry(self) -> Registry:
        """The workers and validators that this process knows."""
        return self._parts.registry

    @property
    def models(self) -> Models:
        """The model tiers."""
        return self._parts.models

    @property
    def database(self) -> Database:
        """The store's connection pool."""
        return self._parts.database

    @property
    def database_url(self) -> str:
        """Where the database is, for other processes; it may hold a password."""
        return self._parts.database.url

    async def submit(
        self,
        workflow: str | Path | Workflow,
        inputs: dict[str, Any] | None = None,
        *,
        tenant: str | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
    ) -> RunHandle:
        """Begin a run and return at once.

        Args:
            workflow: a file, the name of a graph of the project or of a workflow that the tenant has submitted, or
                a workflow itself.
            inputs: plain JSON by input name.
            tenant: whose run it is; the settings' by default.
            priority: higher first.
            idempotency_key: a second submit with the same key and tenant gives the first run.

        Raises:
            WorkflowError: the workflow has mistakes.
            InputsInvalid: the inputs do not fit it.
            NotFound: there is no such workflow.
            VersionTaken: unfinished runs hold another definition under the workflow's name and version.
        """
        whose = tenant or self.settings.tenant
        return await self._parts.client.submit(
            await self.load(workflow, tenant=whose),
            inputs or {},
            tenant=whose,
            priority=priority,
            idempotency_key=idempotency_key,
        )

    async def run(
        self, workflow: str | Path | Workflow, inputs: dict[str, Any] | None = None, **options: Any
    ) -> RunResult:
        """Begin a run and wait for its end; takes what `submit` takes. A failed run is returned, not raised."""
        return await (await self.submit(workflow, inputs, **options)).result()

    async def load(self, workflow: str | Path | Workflow, *, tenant: str | None = None) -> Workflow:
        """The workflow as it would be pinned now, its pools taken from the registered workers.

        What this gave before is taken as it is. A name without a file is that of the definition that the tenant (the
        settings' by default) submitted last.

        Raises:
            WorkflowError: it has mistakes.
            NotFound: there is no such file, and the tenant has submitted no workflow of that name.
        """
        from orchestrator.workflow import load_workflow, parse_workflow  # a process that only serves reads none

        if isinstance(workflow, Workflow):
            if not workflow.source or self._loaded.get(id(workflow)) is workflow:
                return workflow
            return self._keep(
                parse_workflow(
                    workflow.source,
                    file=workflow.name,
                    folder=workflow.folder,
                    catalogue=await self._catalogue(),
                    model_tiers=self.settings.models,
                )
            )
        path = graph_path(self.settings, workflow)
        if path is not None:
            tiers = self.settings.models
            return self._keep(load_workflow(path, catalogue=await self._catalogue(), model_tiers=tiers))
        whose = tenant or self.settings.tenant
        stored = await runs.last_submitted_workflow(self.database, str(workflow), tenant=whose)
        if stored is None:
            raise NotFound(f"there is no workflow file {str(workflow)!r}, and tenant {whose} has submitted none of it")
        return Workflow.from_json(stored)

    def _keep(self, workflow: Workflow) -> Workflow:
        self._loaded[id(workflow)] = workflow
        return workflow

    async def handle(self, run_id: RunId | str, *, tenant: str | None = None) -> RunHandle:
        """A run of a tenant (the settings' by default) by its id, or by the beginning of it.

        Raises:
            NotFound: the tenant has none, or more than one.
        """
        return await self._parts.client.find(str(run_id), tenant=tenant or self.settings.tenant)

    async def list_runs(
        self,
        *,
        tenant: str | AllTenants | None = None,
        status: str | None = None,
        limit: int = 50,
        children: bool = False,
        dead: bool = False,
    ) -> list[RunRow]:
        """The newest runs first.

        Args:
            tenant: whose, the settings' by default; `ALL_TENANTS` for everybody's.
            status: only those that stand so.
            limit: so many at the most.
            children: also runs that a step of another run began.
            dead: only those, wherever they began, that failed by a step whose tries were used up.
        """
        return await self._parts.client.list(
            tenant=self._whose(tenant), status=status, limit=limit, children=children, dead=dead
        )

    async def questions(self, *, tenant: str | None = None, limit: int = 1_000) -> list[Question]:
        """What waits for a person in the runs of a tenant (the settings' by default), the oldest first."""
        return await self._parts.client.questions(tenant=tenant or self.settings.tenant, limit=limit)

    async def pinned_runs(self, workflow: Workflow, *, tenant: str | AllTenants | None = None) -> list[PinnedRuns]:
        """The unfinished runs of the workflow's name that keep another definition; of whom, see `list_runs`."""
        return await self._parts.client.pinned_runs(workflow, tenant=self._whose(tenant))

    async def serve_supervisor(self, stop: asyncio.Event) -> list[RunId]:
        """Host runs until `stop` is set; gives those that were handed back unfinished."""
        from orchestrator.llm.tariffs import Tariffs
        from orchestrator.supervisor import Supervisor  # brings LangGraph, which a worker process does without

        parts = self._parts
        supervisor = Supervisor(
            parts.database,
            parts.listener,
            parts.notifier,
            self.settings.supervisor,
            tariffs=Tariffs(self.settings.models),
            tracing=parts.tracing,
            metrics=parts.metrics,
        )
        return await supervisor.run(stop)

    async def serve_workers(
        self,
        stop: asyncio.Event,
        *,
        pools: Sequence[str],
        concurrency: int | None = None,
        on_stuck: Callable[[str], None] | None = None,
    ) -> list[str]:
        """Serve pools until `stop` is set; gives the attempts that were handed back.

        Args:
            stop: set it to end.
            pools: the queues to serve.
            concurrency: attempts at once; the settings' by default.
            on_stuck: called when an attempt's code was told to stop and does not; a process that serves nothing
                else ends itself then, so that the code has stopped before its lease ends.
        """
        from orchestrator.worker.runtime import WorkerRuntime  # which a supervisor process does without

        parts = self._parts
        runtime = WorkerRuntime(
            database=parts.database,
            listener=parts.listener,
            notifier=parts.notifier,
            registry=parts.registry,
            settings=self.settings.worker,
            models=parts.models,
            tracing=parts.tracing,
            redactor=parts.redactor,
            pools=pools,
            concurrency=concurrency,
            environ=parts.environ,
            on_stuck=on_stuck,
            dead_after=self.settings.supervisor.worker_dead_after,
            sharing=self.settings.sharing,
            metrics=parts.metrics,
        )
        return await runtime.run(stop)

    def _whose(self, tenant: str | AllTenants | None) -> str | None:
        return None if isinstance(tenant, AllTenants) else tenant or self.settings.tenant

    async def _catalogue(self) -> Catalogue:
        return {**await workers.read_cards(self.database), **self.registry.catalogue}

    async def _publish(self) -> None:
        await workers.publish_cards(self.database, list(self.registry.catalogue.values()))

    @asynccontextmanager
    async def _serving(self, pools: Sequence[str] | None) -> AsyncIterator[None]:
        """A supervisor and workers in the background; should one of them fail, the caller's block ends with that."""
        stop, caller = asyncio.Event(), asyncio.current_task()
        served = tuple(pools) if pools is not None else self.registry.pools
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self.serve_supervisor(stop), name="supervisor"),
            asyncio.create_task(self.serve_workers(stop, pools=served), name="workers"),
        ]

        def on_done(task: asyncio.Task[Any]) -> None:
            if not stop.is_set() and caller is not None:
                caller.cancel(f"the {task.get_name()} ended early")

        for task in tasks:
            task.add_done_callback(on_done)
        try:
            yield
        except asyncio.CancelledError:
            failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            if caller is not None and any(failed):
                caller.uncancel()
                raise next(error for error in failed if error is not None) from None
            raise
        finally:
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)
