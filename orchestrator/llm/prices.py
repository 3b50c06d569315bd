"""What a call costs, and what it may cost: settings' own prices first, then the list that `genai-prices` ships."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from langchain_core.messages import BaseMessage

from orchestrator.errors import AttemptError
from orchestrator.settings import ModelSettings

MILLION = 1_000_000
BYTES_PER_TOKEN = 3
"""Low on purpose (English has about 4): a cap must not be passed because the prompt was guessed too small."""

TOKENS_PER_MESSAGE = 8
CAPPED_MAX_TOKENS = 8_192
ROUNDING = 1e-12
"""USD that a sum of floating-point numbers may be off by."""


class PriceCapExceeded(AttemptError):
    """The call may cost more than the step's `price_cap_usd`, so it was not made."""

    code = "price_cap"


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """Tokens of one call. `cached` is that part of `input` which the server had read before."""

    input: int = 0
    output: int = 0
    cached: int = 0


@cache
def load_soon() -> None:
    """Begin to load the list in a thread: it takes most of a second, in which an event loop should not stand still."""
    threading.Thread(target=import_module, args=("genai_prices.data",), name="load prices", daemon=True).start()


def cost(settings: ModelSettings, model: str, counts: TokenCounts) -> float | None:
    """USD for a call, None where no price is known.

    Args:
        settings: of the tier.
        model: what answered; the tier's own model is tried when that name is not in the list.
        counts: as the server reported them.
    """
    if settings.provider == "local":
        return 0.0
    if settings.input_price is not None and settings.output_price is not None:
        return (counts.input * settings.input_price + counts.output * settings.output_price) / MILLION
    for name in dict.fromkeys((model, settings.model)):
        listed = _listed(name, settings.base_url, counts) if name else None
        if listed is not None:
            return listed
    return None


def _listed(model: str, base_url: str | None, counts: TokenCounts) -> float | None:
    import genai_prices  # takes a third of a second

    usage = genai_prices.Usage(
        input_tokens=counts.input, output_tokens=counts.output, cache_read_tokens=counts.cached or None
    )
    if base_url:
        try:
            return float(genai_prices.calc_price(usage, model, provider_api_url=base_url).total_price)
        except LookupError:
            pass  # a proxy, perhaps: its price is taken to be OpenAI's for a model of that name
    try:
        return float(genai_prices.calc_price(usage, model, provider_id="openai").total_price)
    except LookupError:
        return None


def bounded_tokens(
    settings: ModelSettings,
    messages: Sequence[BaseMessage],
    max_tokens: int | None,
    cap_usd: float,
    *,
    besides: int = 0,
) -> int:
    """How many tokens the answer may have, so that the call stays under its cap.

    Args:
        settings: of the tier.
        messages: the prompt.
        max_tokens: of the answer, as asked for; without one the cap decides, up to 8,192.
        cap_usd: for this one call.
        besides: bytes of what is sent besides the messages: the tools.

    Raises:
        PriceCapExceeded: the call may cost more, or no price is known.
    """
    prompt = prompt_tokens(messages, besides=besides)
    prices = call_prices(settings, prompt)
    if prices is None:
        raise PriceCapExceeded(
            f"no price is known for {settings.model}, so a price cap cannot be kept",
            remedy="give the tier input_price and output_price in configs/models.yaml",
        )
    fixed, each = prices
    affordable = affordable_tokens(cap_usd - fixed, each)
    wanted = max_tokens if max_tokens is not None else 1
    if affordable < wanted:
        estimate = fixed + wanted * each / MILLION
        raise PriceCapExceeded(
            f"the call may cost {estimate:.6f} USD (a prompt of about {prompt} tokens, an answer of up to {wanted}), "
            f"more than its cap of {cap_usd:.6f} USD",
            remedy="raise price_cap_usd, lower max_tokens, or give the step less text",
        )
    return max_tokens if max_tokens is not None else min(affordable, CAPPED_MAX_TOKENS)


def call_prices(settings: ModelSettings, prompt: int) -> tuple[float, float] | None:
    """USD for a prompt of so many tokens, and for a million tokens of its answer; None where no price is known."""
    fixed = cost(settings, settings.model, TokenCounts(prompt, 0))
    each = cost(settings, settings.model, TokenCounts(0, MILLION))
    return None if fixed is None or each is None else (fixed, each)


def affordable_tokens(room: float, each: float) -> int:
    """How many tokens of an answer `room` USD pay for at `each` USD a million; -1 where not even the prompt fits."""
    if room < -ROUNDING:
        return -1
    return CAPPED_MAX_TOKENS if each == 0 else max(0, math.floor(room / each * MILLION + 1e-6))


def prompt_tokens(messages: Sequence[BaseMessage], *, besides: int = 0) -> int:
    """An upper guess at the prompt's tokens, from its size; `besides` are bytes of the tools."""
    return math.ceil(besides / BYTES_PER_TOKEN) + sum(
        TOKENS_PER_MESSAGE + math.ceil(len(_sent(message).encode(errors="replace")) / BYTES_PER_TOKEN)
        for message in messages
    )


def _sent(message: BaseMessage) -> str:
    """What a message says and calls."""
    return str(message.content) + "".join(str(call) for call in getattr(message, "tool_calls", ()))
