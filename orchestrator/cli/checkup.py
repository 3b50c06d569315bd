"""The checks of `orchestrator doctor`: each looks at one thing that a run needs, and says how to mend it."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.failures import BAD_INPUT, FAILED, SUCCEEDED, UNREACHABLE, exit_code
from orchestrator.cli.invocation import (
    Invocation,
    known_graphs,
    package_version,
    reachable_database,
    read_registry,
    read_workflow,
)
from orchestrator.cli.quantities import plural
from orchestrator.domain.worker import WorkerKind
from orchestrator.errors import OrchestratorError
from orchestrator.settings import Settings

OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """What one check found. `state` is `ok`, `warn` or `fail`; `code` is the exit code that a failure asks for."""

    name: str
    state: str
    detail: str
    remedy: str = ""
    code: int = SUCCEEDED


def failed(name: str, error: Exception) -> Finding:
    """An error as a finding."""
    if isinstance(error, OrchestratorError):
        detail = f"[{error.code}] {error.message}"
        return Finding(name, "fail", detail, error.remedy, exit_code(error))
    return Finding(name, "fail", f"{type(error).__name__}: {error}", code=FAILED)


def worst(findings: list[Finding]) -> int:
    """The exit code for all findings together: an unreachable service counts most, then wrong input."""
    codes = {finding.code for finding in findings}
    return next((code for code in (UNREACHABLE, BAD_INPUT, FAILED) if code in codes), SUCCEEDED)


async def examine(invocation: Invocation) -> AsyncIterator[Finding]:
    """Every finding, in the order in which things depend on each other."""
    yield check_python()
    yield Finding("package", "ok", f"graph-orchestrator {package_version()} in {Path(__file__).parents[1]}")
    yield check_project(invocation)
    try:
        settings = invocation.settings()
    except OrchestratorError as error:
        yield failed("config", error)
        return
    yield Finding("config", "ok", f"read; tenant {settings.tenant}")
    for finding in check_code(settings):
        yield finding
    async for finding in check_database(settings):
        yield finding
    async for finding in check_models(settings):
        yield finding
    yield check_telemetry(settings)


def check_python() -> Finding:
    """Is the interpreter recent enough?"""
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= OLDEST_PYTHON:
        return Finding("python", "ok", found)
    return Finding("python", "fail", found, "install Python 3.11 or later", FAILED)


def check_project(invocation: Invocation) -> Finding:
    """Is there a project, and is it marked?"""
    from orchestrator.project import find_project

    try:
        project = find_project(invocation.project)
    except OrchestratorError as error:
        return failed("project", error)
    if project.marked:
        return Finding("project", "ok", str(project.root))
    return Finding(
        "project",
        "warn",
        f"{project.root} has no [tool.orchestrator] in a pyproject.toml, so it is an empty project",
        "`orchestrator init DIR` makes one; --project names another folder",
    )


def check_code(settings: Settings) -> list[Finding]:
    """Do the workers import, and are the workflows without mistakes?"""
    try:
        registry = read_registry(settings)
    except OrchestratorError as error:
        return [failed("workers", error)]
    kinds = [card.kind for card in registry.catalogue.values()]
    shown = [kind for kind in WorkerKind if kind in kinds or kind is not WorkerKind.TOOL]
    counts = [plural(kinds.count(kind), kind.value) for kind in shown]
    what = f"{', '.join(counts[:-1])} and {counts[-1]}; pools {', '.join(registry.pools)}"
    findings = [Finding("workers", "ok", what)]
    graphs = known_graphs(settings)
    bad: list[str] = []
    for graph in graphs:
        try:
            read_workflow(settings, registry, graph)
        except OrchestratorError:
            bad.append(graph)
    if bad:
        remedy = f"`orchestrator validate {' '.join(bad)}` lists the mistakes"
        findings.append(Finding("graphs", "fail", f"mistakes in {', '.join(bad)}", remedy, BAD_INPUT))
    else:
        findings.append(Finding("graphs", "ok", ", ".join(graphs) or f"none in {settings.graphs}"))
    return findings


async def check_database(settings: Settings) -> AsyncIterator[Finding]:
    """Can the database be reached, and is its schema this version's?"""
    from orchestrator.store import Database
    from orchestrator.store.database import place
    from orchestrator.store.migrations import status

    try:
        async with reachable_database(settings) as url:
            database = await Database.connect(url, size=3, timeout=settings.database.connect_timeout)
            try:
                version = await database.fetchval("SHOW server_version")
            finally:
                await database.close()
            where = place(url) if settings.database.url else f"embedded under {settings.state_dir}"
            yield Finding("database", "ok", f"PostgreSQL {str(version).split()[0]}, {where}")
            found = await status(url)
    except OrchestratorError as error:
        yield failed("database", error)
        return
    if found.current > found.latest:
        detail = f"version {found.current}, this package knows {found.latest}"
        yield Finding("schema", "fail", detail, "install the version that migrated it, or a later one", UNREACHABLE)
    elif found.pending:
        detail = f"version {found.current} of {found.latest}"
        yield Finding("schema", "warn", detail, "`orchestrator db migrate`; `run` does it by itself")
    else:
        yield Finding("schema", "ok", f"version {found.current}")


async def check_models(settings: Settings) -> AsyncIterator[Finding]:
    """Which model is each tier, why, and can it be used?"""
    from orchestrator.llm import probe_model, resolve_tiers

    tiers = resolve_tiers(settings)
    if not tiers:
        yield Finding("models", "warn", "no tiers", "list them in configs/models.yaml; agents need one")
    for tier in tiers:
        name, what = f"model {tier.tier}", f"{tier.model} ({tier.why})"
        try:
            found = await probe_model(
                tier.tier, settings.models[tier.tier], state_dir=settings.state_dir, environ=os.environ
            )
        except OrchestratorError as error:
            problem = failed(name, error)
            yield dataclasses.replace(problem, detail=f"{what}: {problem.detail}")
        else:
            yield Finding(name, "ok", f"{what}; {found}")


def check_telemetry(settings: Settings) -> Finding:
    """Where do spans go?"""
    telemetry = settings.telemetry
    stored = "spans stored in the database" if telemetry.spans else "spans are not stored"
    exported = f"exported to {telemetry.otlp_endpoint}" if telemetry.otlp_endpoint else "not exported"
    contents = "with message contents" if telemetry.capture_content else "without message contents"
    state = "ok" if telemetry.spans else "warn"
    remedy = "" if telemetry.spans else "set telemetry.spans, or `orchestrator trace` shows no model calls"
    return Finding("telemetry", state, f"{stored}, {exported}, {contents}", remedy)
