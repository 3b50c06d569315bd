"""`Context`: what a worker's function may ask and tell while it works on one attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.domain.identity import NO_ITEM, RunId
from orchestrator.domain.outcome import Usage
from orchestrator.errors import DatabaseUnavailable, ModelUnavailable, SecretMissing
from orchestrator.llm.allowance import Allowance
from orchestrator.worker.effects import Effect, Ledger
from orchestrator.worker.journal import Journal
from orchestrator.worker.threads import Stop

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from orchestrator.telemetry import Tracing


class ModelSource(Protocol):
    """Where chat models come from: `orchestrator.llm.Models`, or a stand-in in tests."""

    async def chat(
        self,
        tier: str,
        *,
        on_usage: Callable[[Usage], None],
        capture: bool = True,
        price_cap_usd: float | None = None,
        allowance: Allowance | None = None,
    ) -> BaseChatModel:
        """The tier's chat model; each call reports what it used to `on_usage`; `allowance` comes with a budget only."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the attempt is: plain data that a child process can be given too.

    Attributes:
        item: the index in the step's `foreach`, or -1.
        number: counts all tries of this step and item, from 1.
        input: for a worker its input, for a validator the judged step's `with`.
        feedback: why the output was rejected, when this is a revision.
        rejected: the output that was rejected, when this is a revision.
        options: what the supervisor adds: `secrets`, `model`, `price_cap_usd`, `allowance`, `revision`.
        last_heartbeat: the details of the last heartbeat that an earlier attempt sent.
    """

    run_id: RunId
    step: str
    item: int = NO_ITEM
    number: int = 1
    tenant: str = "default"
    worker: str = ""
    workflow: str = ""
    idempotency_key: str = ""
    input: Any = None
    feedback: tuple[str, ...] = ()
    rejected: Any = None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    last_heartbeat: Any = None


class AttemptLog:
    """Log lines of one attempt, as events of its run; the ids are bound already."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def debug(self, message: str, **fields: Any) -> None:
        """A line for whoever looks closely; `fields` are shown as they are."""
        self._write("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """A line about the normal course of things."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Something is odd, and the attempt goes on."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Something went wrong; the attempt's outcome is still what the function returns or raises."""
        self._write("error", message, fields)

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        self._ctx.check_stopped()
        self._ctx.journal.log(level, message, fields)


class Context:
    """One attempt, as its worker sees it. Its methods may be called from any thread.

    After a cancellation, a timeout or a lost lease they raise `asyncio.CancelledError`, so that a sync function
    stops at its next call.

    Args:
        assignment: what the attempt is.
        journal: collects heartbeats, progress and log lines.
        ledger: where effects are claimed and confirmed.
        models: where chat models come from; None where there are none.
        secrets: the values of the secrets that the step names.
        database_url: of the project's database; empty where there is none.
        stopped: set when the attempt is to stop.
        loop: the event loop that the attempt runs on.
        capture: whether spans of model calls keep the messages.
        tracing: makes spans below the attempt's; None where nothing is traced.
        stop: of the attempt, for what it calls in its turn; None where nobody leaves its threads behind.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        journal: Journal,
        ledger: Ledger,
        models: ModelSource | None = None,
        secrets: Mapping[str, str] | None = None,
        database_url: str = "",
        stopped: threading.Event | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        capture: bool = True,
        tracing: Tracing | None = None,
        stop: Stop | None = None,
    ) -> None:
        self.assignment = assignment
        self.stop = stop or Stop()
        self.journal = journal
        self.tracing = tracing
        self.usage = Usage()
        self.log = AttemptLog(self)
        self._ledger = ledger
        self._models = models
        self._secrets = dict(secrets or {})
        self._database_url = database_url
        self._stopped = stopped or threading.Event()
        self._loop = loop
        self._capture = capture
        self._usage_lock = threading.Lock()
        self._limits = {} if (allowance := Allowance.of(assignment.options)) is None else {"allowance": allowance}

    @property
    def run_id(self) -> RunId:
        """The run that the attempt belongs to."""
        return self.assignment.run_id

    @property
    def step(self) -> str:
        """The step's id."""
        return self.assignment.step

    @property
    def item(self) -> int:
        """The index in the step's `foreach`, or -1."""
        return self.assignment.item

    @property
    def number(self) -> int:
        """Counts all tries of this step and item, from 1."""
        return self.assignment.number

    @property
    def tenant(self) -> str:
        """Whose run it is."""
        return self.assignment.tenant

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of this step and item: give it to services that know such keys."""
        return self.assignment.idempotency_key

    @property
    def input(self) -> Any:
        """The worker's input as plain JSON; for a validator the `with` of the step that it judges."""
        return self.assignment.input

    @property
    def feedback(self) -> tuple[str, ...]:
        """In a revision: what the validators said of the rejected output."""
        return self.assignment.feedback

    @property
    def rejected(self) -> Any:
        """In a revision: the output that was rejected; else None."""
        return self.assignment.rejected

    @property
    def options(self) -> Mapping[str, Any]:
        """What the step says besides its input: `model` (tier), `price_cap_usd`, `revision`, `secrets` (names)."""
        return self.assignment.options

    @property
    def last_heartbeat(self) -> Any:
        """The details of the last heartbeat of an earlier attempt of this step and item, or None."""
        return self.assignment.last_heartbeat

    def heartbeat(self, **details: Any) -> None:
        """Say "still alive": resets the idle timer. `details` is the next attempt's `last_heartbeat`.

        Raises:
            ValueError: the details are larger than 64,000 characters.
        """
        self.check_stopped()
        self.journal.heartbeat(details)

    def progress(self, fraction: float, text: str = "") -> None:
        """Show how far the attempt is.

        Args:
            fraction: 0 to 1.
            text: what it is doing now.

        Raises:
            ValueError: the fraction is not within 0 and 1.
        """
        self.check_stopped()
        if not 0 <= fraction <= 1:
            raise ValueError(f"progress is a fraction between 0 and 1, not {fraction}")
        self.journal.progress(float(fraction), text)

    def effect(self, key: str) -> Effect:
        """Guard something that must happen at most once for this step and item: `async with ctx.effect("mail") as e`.

        Args:
            key: names the effect within the step and item.
        """
        self.check_stopped()
        return Effect(key, self._ledger, self._loop)

    def secret(self, name: str) -> str:
        """The value of a secret from the worker's environment.

        Raises:
            SecretMissing: the step does not list the name under `secrets`.
        """
        if name not in self._secrets:
            listed = ", ".join(sorted(self._secrets)) or "none"
            raise SecretMissing(
                f"the step does not list the secret {name!r} (it lists {listed})",
                remedy=f"add `secrets: [{name}]` to the step",
            )
        return self._secrets[name]

    @property
    def database_url(self) -> str:
        """Where the project's own Postgres is, the embedded one too: for workers that keep tables there.

        Connect with a driver of your own, keep to a schema of your own, and do not say the URL: it may hold a
        password.

        Raises:
            DatabaseUnavailable: a test gave none.
        """
        if not self._database_url:
            raise DatabaseUnavailable(
                "this attempt runs without a database", remedy="in a test give `.test(…, database_url=…)`"
            )
        return self._database_url

    def model(self, tier: str | None = None) -> BaseChatModel:
        """A LangChain chat model: traced, priced, its tokens counted on this attempt.

        Args:
            tier: a name of `configs/models.yaml`; None is the step's own `model`.

        Raises:
            ModelUnavailable: there are no models here, or neither names a tier.

        Calls that might use more than the attempt's share of the run's budget raise `AllowanceExceeded`.
        """
        from orchestrator.worker.chat import TierModel

        return TierModel(opener=self.open_model, tier=self._tier(tier), loop=self._loop)

    async def open_model(self, tier: str | None = None) -> BaseChatModel:
        """Like `model`, but the client itself, opened now; a server that must be started is started.

        Raises:
            ModelUnavailable: the tier cannot be used.
        """
        self.check_stopped()
        if self._models is None:
            raise ModelUnavailable("this worker was started without models")
        return await self._models.chat(
            self._tier(tier),
            on_usage=self.add_usage,
            capture=self._capture,
            price_cap_usd=self.options.get("price_cap_usd"),
            **self._limits,
        )

    def add_usage(self, usage: Usage) -> None:
        """Count what a model call used on this attempt."""
        with self._usage_lock:
            self.usage = self.usage + usage

    def check_stopped(self) -> None:
        """Raise `asyncio.CancelledError` when the attempt is to stop; long sync loops may call it."""
        if self._stopped.is_set():
            raise asyncio.CancelledError("the attempt was told to stop")

    def _tier(self, tier: str | None) -> str:
        name = tier or self.options.get("model")
        if not name:
            raise ModelUnavailable('name a tier (`ctx.model("small")`) or give the step a `model:`')
        return str(name)
