"""What one attempt may use over all of its model calls: no call is made that might go beyond what is left of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.errors import AttemptError

if TYPE_CHECKING:
    from orchestrator.domain.outcome import Usage
    from orchestrator.settings import ModelSettings


class AllowanceExceeded(AttemptError):
    """The next call might use more than the attempt's share of the budget has left, so it was not made."""

    code = "allowance_exceeded"
    error_class = "budget"


@dataclass(frozen=True, slots=True)
class Hold:
    """What a call that is under way may come to use."""

    usd: float = 0.0
    tokens: int = 0


class Allowance:
    """An attempt's share of its budget. Calls that are under way side by side hold what they may come to use.

    Args:
        usd: the most that all calls may cost together; None without limit.
        tokens: the most that they may read and write together; None without limit.
    """

    def __init__(self, usd: float | None = None, tokens: int | None = None) -> None:
        self._usd, self._tokens = usd, tokens
        self._used, self._read, self._calls = 0.0, 0, 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Allowance | None:
        """The allowance that an attempt's options give it; None where they give none."""
        given = options.get("allowance")
        return None if not given else cls(given.get("usd"), given.get("tokens"))

    def open(self, settings: ModelSettings, prompt: int, max_tokens: int | None) -> tuple[int, Hold]:
        """Take what a call may use.

        Args:
            settings: of the tier.
            prompt: an upper guess at its tokens.
            max_tokens: of the answer, as asked for; without one the allowance decides, up to 8,192.

        Returns:
            How many tokens the answer may have, and what `close` is to be given.

        Raises:
            AllowanceExceeded: too little is left, or no price is known.
        """
        from orchestrator.llm.prices import CAPPED_MAX_TOKENS, MILLION, affordable_tokens, call_prices

        with self._lock:
            wanted = max_tokens if max_tokens is not None else 1
            most = [max_tokens if max_tokens is not None else CAPPED_MAX_TOKENS]
            cost = 0.0
            if self._usd is not None:
                prices = call_prices(settings, prompt)
                if prices is None:
                    raise AllowanceExceeded(
                        f"no price is known for {settings.model}, so a budget in USD cannot be kept",
                        remedy="give the tier input_price and output_price in configs/models.yaml",
                    )
                fixed, each = prices
                room = affordable_tokens(self._usd - self._used - fixed, each)
                if room < wanted:
                    self._refuse(f"may cost {fixed + wanted * each / MILLION:.6f} USD", prompt, wanted)
                most.append(room)
            if self._tokens is not None:
                if self._tokens - self._read - prompt < wanted:
                    self._refuse(f"may use {prompt + wanted} tokens", prompt, wanted)
                most.append(self._tokens - self._read - prompt)
            answer = min(most)
            if self._usd is not None:
                cost = fixed + answer * each / MILLION
            hold = Hold(cost, prompt + answer)
            self._used += hold.usd
            self._read += hold.tokens
            self._calls += 1
            return answer, hold

    def close(self, hold: Hold, usage: Usage) -> None:
        """A call has ended: it holds no more, and what it used is gone."""
        with self._lock:
            self._used += (usage.cost_usd or 0.0) - hold.usd
            self._read += usage.input_tokens + usage.output_tokens - hold.tokens

    def _refuse(self, use: str, prompt: int, answer: int) -> None:
        shares = []
        if self._usd is not None:
            shares.append(f"{self._used:.6f} of {self._usd:.6f} USD")
        if self._tokens is not None:
            shares.append(f"{self._read} of {self._tokens} tokens")
        raise AllowanceExceeded(
            f"the attempt's share of the budget is used up after {self._calls} calls ({', '.join(shares)}): "
            f"the next one {use} (a prompt of about {prompt} tokens, an answer of up to {answer})",
            remedy="raise the budget of the run or of the step, or lower max_turns, max_tokens or the prompt",
        )
