"""What one process is made of: the concrete parts, chosen and joined for `app.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.client import Client
from orchestrator.llm import Models
from orchestrator.queue import Listener, Notifier
from orchestrator.settings import Settings
from orchestrator.store import Database, EmbeddedPostgres
from orchestrator.store.spans import SpanStore
from orchestrator.telemetry import Metrics, Redactor, Tracing
from orchestrator.worker import Registry


@dataclass(frozen=True)
class Parts:
    """What one process has joined together."""

    settings: Settings
    registry: Registry
    database: Database
    listener: Listener
    notifier: Notifier
    tracing: Tracing
    metrics: Metrics
    models: Models
    redactor: Redactor
    environ: Mapping[str, str]
    client: Client


async def database_url(stack: AsyncExitStack, settings: Settings) -> str:
    """Where the configured database is, or the embedded server, which runs until the stack is closed."""
    if settings.database.url is not None:
        return settings.database.url
    server = await asyncio.to_thread(EmbeddedPostgres.start, settings.state_dir / "postgres")
    stack.push_async_callback(asyncio.to_thread, server.close)
    return server.url


def secrets_of(settings: Settings, url: str, environ: Mapping[str, str]) -> list[str]:
    """What this process never says: the keys of its models, and the database's URL as workers are given it.

    A password by itself is left alone: one like `postgres` would hide every mention of Postgres.
    """
    keys = [environ[tier.api_key_env] for tier in settings.models.values() if environ.get(tier.api_key_env)]
    return [*keys, url] if urlsplit(url).password or "password=" in url else keys


async def join(
    stack: AsyncExitStack, settings: Settings, registry: Registry, url: str, environ: Mapping[str, str]
) -> Parts:
    """Connect and start everything; the stack ends it again."""
    database = await Database.connect(url, size=settings.database.pool_size, timeout=settings.database.connect_timeout)
    stack.push_async_callback(database.close)
    listener = await stack.enter_async_context(Listener(database.dedicated_connection))
    notifier = await stack.enter_async_context(Notifier(database.pool))
    redactor = Redactor(secrets_of(settings, url, environ))
    tracing = Tracing(settings.telemetry, sink=SpanStore(database), redactor=redactor)
    await tracing.start()
    stack.push_async_callback(tracing.aclose)
    metrics = Metrics(settings.telemetry)
    stack.push_async_callback(metrics.aclose)
    models = Models(settings.models, state_dir=settings.state_dir, tracing=tracing, environ=environ)
    stack.push_async_callback(models.aclose)
    client = Client(database, listener)
    await client.start()
    return Parts(settings, registry, database, listener, notifier, tracing, metrics, models, redactor, environ, client)
