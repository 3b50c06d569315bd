"""`try_worker`: one call of a worker without a server, and everything that it said and did."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.domain.outcome import ErrorInfo, Usage
from orchestrator.llm import Models
from orchestrator.testing.scripted_model import ScriptedModel
from orchestrator.worker import Worker
from orchestrator.worker.context import Context
from orchestrator.worker.describe import describe
from orchestrator.worker.invocation import as_json, invoke
from orchestrator.worker.journal import Journal, plain_json
from orchestrator.worker.started_tasks import StartedTasks, watching
from orchestrator.worker.threads import Stop
from orchestrator.worker.trial import Circumstances, MemoryLedger, MemoryRow, make_context

PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of `ctx.log`."""

    level: str
    message: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Trial:
    """What one call came to.

    Attributes:
        result: what the function returned, as its annotation types it; None where it failed. A validator's `Verdict`.
        output: the same as the JSON that would be stored.
        error: how an attempt that failed so would be stored: code, class and message; None where it succeeded.
        logs: the lines of `ctx.log`, in order; so are the next two.
        heartbeats: the details of each heartbeat.
        progress: fraction and text of each report.
        effects: by key, whether the effect is `confirmed` or `in_doubt`, and its result.
        usage: of the model calls.
        leaks: tasks that the function left running, which were cancelled.
        seconds: how long it took.
    """

    result: Any = None
    output: Any = None
    error: ErrorInfo | None = None
    logs: list[LogLine] = field(default_factory=list)
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    progress: list[tuple[float, str]] = field(default_factory=list)
    effects: dict[str, MemoryRow] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    leaks: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _Telling(Journal):
    """Keeps everything that is said, besides what an attempt would write."""

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self._trial = trial

    def heartbeat(self, details: Mapping[str, Any]) -> None:
        super().heartbeat(details)
        self._trial.heartbeats.append(plain_json(dict(details)))

    def progress(self, fraction: float, text: str) -> None:
        super().progress(fraction, text)
        self._trial.progress.append((fraction, text))

    def log(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        super().log(level, message, fields)
        self._trial.logs.append(LogLine(level, str(message), plain_json(dict(fields))))


async def try_worker(
    worker: Worker[..., Any],
    value: Any = None,
    /,
    *,
    secrets: Mapping[str, str] | None = None,
    models: Any = None,
    input: Any = None,
    feedback: tuple[str, ...] = (),
    rejected: Any = None,
    last_heartbeat: Any = None,
    number: int = 1,
    idempotency_key: str = "test",
    confirmed: Mapping[str, Any] | None = None,
    in_doubt: Collection[str] = (),
    cancel_after: float | None = None,
    **fields: Any,
) -> Trial:
    """Run a worker once as an attempt would, in this process and without a server; a failure is told, not raised.

    Args:
        worker: also a validator, or what `as_worker` made. A `process=True` worker runs in a thread here.
        value: the input: an instance of the parameter's type or plain JSON; for a validator the output to judge.
        secrets: what `ctx.secret` finds.
        models: tier to `ScriptedModel` or LangChain chat model. Only calls of a scripted model count as usage.
        input: for a validator, the judged step's `with`.
        feedback: what the validators said, to test a revision; `rejected` is the rejected output.
        rejected: see `feedback`.
        last_heartbeat: what an earlier attempt's heartbeat said.
        number: which try this is, from 1.
        idempotency_key: what `ctx.idempotency_key` says.
        confirmed: effects that an earlier attempt has done: key to result.
        in_doubt: effects that an earlier attempt began and never confirmed.
        cancel_after: tell it to stop after so many seconds, as a cancelled run does.
        fields: the input's keys, instead of `value`.

    Returns:
        What it gave, said and did.
    """
    trial = Trial()
    ledger = MemoryLedger({key: MemoryRow("confirmed", result) for key, result in (confirmed or {}).items()})
    ledger.rows |= {key: MemoryRow("in_doubt") for key in in_doubt}
    trial.effects = ledger.rows
    given = fields if fields and value is None else value
    async with _opened(models) as source:
        told = Circumstances(
            secrets, source, input, feedback, rejected, last_heartbeat, number=number, idempotency_key=idempotency_key
        )
        stop = Stop()
        ctx = make_context(worker, given, told, stop=stop, journal=_Telling(trial), ledger=ledger)
        begun = time.monotonic()
        await _run(partial(_contained, worker, given, ctx, stop, trial), stop, cancel_after)
        trial.seconds = time.monotonic() - begun
        trial.usage = ctx.usage
    return trial


async def _run(work: Callable[[], Coroutine[Any, Any, None]], stop: Stop, cancel_after: float | None) -> None:
    with watching(asyncio.get_running_loop()):
        running = asyncio.create_task(work())
        if cancel_after is not None:
            await asyncio.wait({running}, timeout=cancel_after)
            stop.requested.set()
            running.cancel()
        await running


async def _contained(worker: Worker[..., Any], value: Any, ctx: Context, stop: Stop, trial: Trial) -> None:
    started = StartedTasks()
    started.collect()
    try:
        trial.result = await invoke(worker, value, ctx, stop)
        trial.output = as_json(worker, trial.result)
    except BaseException as error:  # noqa: BLE001 - whatever a worker raises is what is being tested
        trial.result = None
        trial.error = describe(error, retry_on=worker.retry_on)
        if stop.requested.is_set():
            trial.error = ErrorInfo("cancelled", "cancelled", "the run was cancelled")
    trial.leaks = await started.end(PATIENCE)


@asynccontextmanager
async def _opened(models: Any) -> AsyncIterator[Any]:
    """Real clients for scripted models; other models as they are."""
    scripted = models if isinstance(models, Mapping) else {}
    if not scripted or not all(isinstance(each, ScriptedModel) for each in scripted.values()):
        yield models
        return
    settings = {tier: model.settings() for tier, model in scripted.items()}
    environ = next(iter(scripted.values())).environ
    with tempfile.TemporaryDirectory() as folder:
        opened = Models(settings, state_dir=Path(folder), environ=environ)
        try:
            yield opened
        finally:
            await opened.aclose()
