"""What calls of the project's tiers may cost at the most, for whoever sets money aside without making them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from orchestrator.domain.reservation import Reservation
from orchestrator.llm.catalogue import LOCAL_MAX_TOKENS
from orchestrator.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Tariff:
    """A tier, as far as its limits and prices go."""

    tier: str
    settings: ModelSettings

    @property
    def local(self) -> bool:
        """Whether it is the local model, which is free and cannot call tools."""
        return self.settings.provider == "local"

    @property
    def max_tokens(self) -> int:
        """Of an answer; without a limit of the tier's own, that of a call under an allowance."""
        from orchestrator.llm.prices import CAPPED_MAX_TOKENS

        return self.settings.max_tokens or (LOCAL_MAX_TOKENS if self.local else CAPPED_MAX_TOKENS)

    def bound(self, size: int, messages: int, *, priced: bool = True) -> Reservation | None:
        """What one call may use at the most, guessed just as the client guesses it.

        Args:
            size: bytes of the prompt and the tools.
            messages: how many there are in the prompt, at the most.
            priced: whether USD are asked for; else they are left out.

        Returns:
            None where no price is known.
        """
        from orchestrator.llm.prices import BYTES_PER_TOKEN, MILLION, TOKENS_PER_MESSAGE, call_prices

        # One token for each message and the tools, since the client rounds each up by itself.
        prompt = math.ceil(size / BYTES_PER_TOKEN) + messages * (TOKENS_PER_MESSAGE + 1) + 1
        if not priced:
            return Reservation(0.0, prompt + self.max_tokens)
        prices = call_prices(self.settings, prompt)
        if prices is None:
            return None
        return Reservation(prices[0] + self.max_tokens * prices[1] / MILLION, prompt + self.max_tokens)


class Tariffs:
    """The tariffs of a project, by tier.

    Args:
        models: its tiers, in their order.
    """

    def __init__(self, models: Mapping[str, ModelSettings]) -> None:
        self._models = dict(models)
        self._loaded = False
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Have the list of prices at hand, where a tier needs it: it takes most of a second to load, once."""
        async with self._loading:
            if self._loaded:
                return
            if any(
                settings.provider != "local" and None in (settings.input_price, settings.output_price)
                for settings in self._models.values()
            ):
                await asyncio.to_thread(import_module, "genai_prices.data")
            await asyncio.to_thread(import_module, "orchestrator.llm.prices")
            self._loaded = True

    def of(self, tier: str | None) -> Tariff | None:
        """A tier's tariff, the first tier's for None; None where there is no such tier."""
        name = tier if tier is not None else next(iter(self._models), "")
        return Tariff(name, self._models[name]) if name in self._models else None

    def all(self) -> tuple[Tariff, ...]:
        """The tariffs of all tiers, in their order."""
        return tuple(Tariff(name, settings) for name, settings in self._models.items())
