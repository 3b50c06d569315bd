"""`Models`: the chat models of a process, by tier."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from orchestrator.domain.chat import ChatTracer
from orchestrator.domain.outcome import Usage
from orchestrator.errors import NotFound
from orchestrator.llm.catalogue import OPENAI_URL, ResolvedModel, api_key, find, is_loopback, resolve
from orchestrator.llm.loading import load_clients
from orchestrator.llm.local import LocalServer
from orchestrator.llm.weights import SMOLLM2
from orchestrator.settings import ModelSettings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

LOCAL_MAX_TOKENS = 700
"""The local model does not stop by itself: inside a schema it fills every string and list that is not bounded."""

LOCAL_TEMPERATURE = 0.2
LOCAL_TIMEOUT = 300.0
"""It serves two calls at a time; those of a whole pool wait in line."""


class Models:
    """Gives chat models by tier, and keeps what they share: connections, and the local model's server.

    Args:
        settings: the project's tiers.
        state_dir: of the project, where the local model's server is found.
        tracing: told of every call.
        environ: where keys and the cache folder are looked up; None takes this process's environment.
    """

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        *,
        state_dir: Path,
        tracing: ChatTracer | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = dict(settings)
        self._tracer = tracing
        self._environ = os.environ if environ is None else environ
        self._local = LocalServer(state_dir, self._environ)
        self._http: dict[bool, tuple[Any, Any]] = {}

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of the tiers, in their order."""
        return tuple(self._settings)

    def resolve(self, tier: str) -> ResolvedModel:
        """The model behind a tier, and why it is that one.

        Raises:
            NotFound: there is no such tier.
        """
        return resolve(tier, self._settings)

    async def chat(
        self,
        tier: str,
        *,
        on_usage: Callable[[Usage], None] = lambda _: None,
        capture: bool = True,
        price_cap_usd: float | None = None,
    ) -> BaseChatModel:
        """A LangChain chat model. Each of its calls becomes a span under the current one. It never retries.

        Args:
            tier: a name of `configs/models.yaml`.
            on_usage: told what each call used, also a failed one.
            capture: whether the spans hold the messages.
            price_cap_usd: for each call; one that may cost more is refused with `PriceCapExceeded`.

        Raises:
            NotFound: there is no such tier.
            ModelUnavailable: there is no key, or the local model cannot be had or started.
        """
        await load_clients()
        from orchestrator.llm.call_book import CallBook
        from orchestrator.llm.client import TracedChat
        from orchestrator.llm.prices import load_soon

        settings = find(tier, self._settings)
        if settings.provider != "local" and None in (settings.input_price, settings.output_price):
            load_soon()
        arguments = await self._arguments(tier, settings)
        book = CallBook(
            tier=tier,
            settings=settings,
            server=arguments["base_url"],
            on_usage=on_usage,
            tracer=self._tracer,
            price_cap_usd=price_cap_usd,
            capture=capture,
            timeout=arguments["timeout"],
        )
        return TracedChat.opened(book, **(arguments | settings.extra))

    async def aclose(self) -> None:
        """Close connections and let the local model's server go."""
        self._local.close()
        clients, self._http = list(self._http.values()), {}
        for waiting, blocking in clients:
            await waiting.aclose()
            blocking.close()

    async def _arguments(self, tier: str, settings: ModelSettings) -> dict[str, Any]:
        local = settings.provider == "local"
        if local:
            _check_local(settings.model)
            endpoint = await self._local.open()
            url, key = endpoint.url, endpoint.key
        else:
            url, key = settings.base_url or OPENAI_URL, api_key(tier, settings, self._environ)
        waiting, blocking = self._clients(direct=local or is_loopback(url))
        timeout = LOCAL_TIMEOUT if local and "timeout" not in settings.model_fields_set else settings.timeout
        temperature = LOCAL_TEMPERATURE if local and settings.temperature is None else settings.temperature
        return {
            "model": settings.model,
            "base_url": url,
            "api_key": SecretStr(key),
            "max_retries": 0,
            "timeout": timeout,
            "temperature": temperature,
            "max_tokens": settings.max_tokens or (LOCAL_MAX_TOKENS if local else None),
            "stream_usage": True,
            "use_responses_api": False,
            "http_async_client": waiting,
            "http_client": blocking,
            # The local server closes idle connections just when the client would use them again.
            "default_headers": {"Connection": "close"} if local else None,
        }

    def _clients(self, *, direct: bool) -> tuple[Any, Any]:
        """Connections that all clients share; `direct` ones go past any proxy of the environment."""
        if direct not in self._http:
            import openai

            self._http[direct] = (
                openai.DefaultAsyncHttpxClient(trust_env=not direct),
                openai.DefaultHttpxClient(trust_env=not direct),
            )
        return self._http[direct]


def _check_local(model: str) -> None:
    if model != SMOLLM2.name:
        raise NotFound(f"no local model is called {model!r}", remedy=f"the one there is: {SMOLLM2.name}")
