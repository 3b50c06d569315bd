"""Is a tier usable? For `orchestrator doctor`: asks the server for its models, and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import ModelUnavailable
from orchestrator.llm.catalogue import OPENAI_URL, api_key, is_loopback
from orchestrator.llm.errors import classify
from orchestrator.llm.local import local_model_status
from orchestrator.settings import ModelSettings

PATIENCE = 10.0


async def probe_model(tier: str, settings: ModelSettings, *, state_dir: Path, environ: Mapping[str, str]) -> str:
    """Try a tier's server with its key.

    Args:
        tier: its name, for messages.
        settings: of the tier.
        state_dir: of the project.
        environ: where the key is looked up.

    Returns:
        What was found, in a few words.

    Raises:
        ModelUnavailable: it cannot be used; the remedy says what to do.
    """
    if settings.provider == "local":
        return _probe_local(state_dir, environ)
    url = settings.base_url or OPENAI_URL
    import openai  # takes a third of a second

    client = openai.AsyncOpenAI(
        base_url=url,
        api_key=api_key(tier, settings, environ),
        max_retries=0,
        timeout=min(settings.timeout, PATIENCE),
        http_client=openai.DefaultAsyncHttpxClient(trust_env=not is_loopback(url)),
    )
    try:
        async with client:
            listed = await client.models.list()
    except openai.NotFoundError:
        return f"{url} answers, but does not list its models"
    except openai.APIError as error:
        info = classify(error)
        raise ModelUnavailable(
            f"{url}: {info.message if info else error}", remedy=f"check {settings.api_key_env} and the base URL"
        ) from error
    names = {model.id for model in listed.data or ()}
    if names and settings.model not in names:
        return f"{url} answers, but does not list {settings.model}"
    return f"{url} answers"


def _probe_local(state_dir: Path, environ: Mapping[str, str]) -> str:
    status = local_model_status(state_dir, environ)
    if not status.runnable:
        raise ModelUnavailable(
            "the package xllamacpp is not installed", remedy="pip install 'graph-orchestrator[local]'"
        )
    if status.pid is not None:
        return f"running (pid {status.pid})"
    if status.pulled:
        return "fetched; starts when it is needed"
    return f"not fetched yet ({status.size // 1_000_000} MB); the first run or `orchestrator models pull` does it"
