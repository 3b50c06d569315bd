"""`@worker` and `@validator`: a function declared as a specialist, still callable like the function."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar

from orchestrator.domain.rate import Rate
from orchestrator.domain.worker import DEFAULT_POOL, RESERVED, VALIDATOR_POOL, WorkerCard, WorkerKind
from orchestrator.errors import ProjectError
from orchestrator.worker.signature import Signature, read_signature
from orchestrator.workflow.durations import parse_duration

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_POOL = re.compile(r"[a-z][a-z0-9_-]*")
LEAST_MEMORY_MB = 256


class Worker(Generic[P, R]):
    """A declared worker, validator or tool. Calling it calls the function; `test` runs it as an attempt would.

    Attributes:
        card: what the catalogue shows.
        function: the function as it was written.
        signature: what it takes and gives.
        retry_on: exceptions that the step's `retry` may repeat (error class `retryable`).
        place: `file:line` of the declaration.
    """

    def __init__(
        self,
        function: Callable[P, R],
        card: WorkerCard,
        signature: Signature,
        *,
        retry_on: tuple[type[BaseException], ...] = (),
        place: str,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.card = card
        self.signature = signature
        self.retry_on = retry_on
        self.place = place

    @property
    def name(self) -> str:
        """The registered name."""
        return self.card.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function as it was written."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.card.kind.value} {self.name} of {self.place}>"

    async def test(
        self,
        value: Any = None,
        /,
        *,
        secrets: Mapping[str, str] | None = None,
        database_url: str = "",
        models: Any = None,
        input: Any = None,
        feedback: tuple[str, ...] = (),
        rejected: Any = None,
        last_heartbeat: Any = None,
        **fields: Any,
    ) -> Any:
        """Run it once as an attempt would, without a server: input checked, dependencies made, output checked.

        Args:
            value: the input: an instance of the parameter's type or a dict; for a validator the output to judge.
            secrets: what `ctx.secret` finds.
            database_url: what `ctx.database_url` gives.
            models: tier to LangChain chat model, or an object with `chat` like `orchestrator.llm.Models`.
            input: for a validator, the judged step's `with`.
            feedback: what the validators said, to test a revision.
            rejected: the rejected output, to test a revision.
            last_heartbeat: what an earlier attempt's heartbeat said.
            fields: the input's keys, instead of `value`.

        Returns:
            What the function returned, as its annotation types it; for a validator a `Verdict`.

        Raises:
            AttemptError: a wrong input or output; and whatever the function raises.
        """
        from orchestrator.worker.trial import Circumstances, try_out

        told = Circumstances(secrets, models, input, feedback, rejected, last_heartbeat, database_url=database_url)
        return await try_out(self, fields if fields and value is None else value, told)


def worker(
    name: str,
    *,
    pool: str = DEFAULT_POOL,
    concurrency: int | None = None,
    max_running: int | None = None,
    rate: str | None = None,
    retry_on: tuple[type[BaseException], ...] = (),
    timeout: str | float | None = None,
    process: bool = False,
    memory_mb: int | None = None,
    description: str | None = None,
) -> Callable[[Callable[P, R]], Worker[P, R]]:
    """Declare a function as a worker.

    Args:
        name: what workflows call it: lower-case words joined by dots.
        pool: the queue it is served from.
        concurrency: attempts of it at once in one process; None for no limit of its own.
        max_running: attempts of it at once over all processes on all machines.
        rate: how often an attempt of it may begin, over all processes: `"60/m"`; also `/s`, `/h`, `/d`.
        retry_on: exceptions that are worth another try.
        timeout: of one attempt, `"60s"` or seconds; a step's own `timeout` wins.
        process: run in a child process that can be killed, for CPU-bound code.
        memory_mb: of address space that such a child may have; None for no limit.
        description: for the catalogue; None takes the docstring's first line.

    Returns:
        A decorator; the decorated object is still callable like the function.

    Raises:
        ProjectError: the declaration or the function's signature cannot work; names the place.
    """
    return declare(
        WorkerKind.WORKER,
        name,
        pool=pool,
        concurrency=concurrency,
        max_running=max_running,
        rate=rate,
        retry_on=retry_on,
        timeout=timeout,
        process=process,
        memory_mb=memory_mb,
        description=description,
    )


def validator(
    name: str,
    *,
    pool: str = VALIDATOR_POOL,
    concurrency: int | None = None,
    max_running: int | None = None,
    rate: str | None = None,
    retry_on: tuple[type[BaseException], ...] = (),
    timeout: str | float | None = None,
    process: bool = False,
    memory_mb: int | None = None,
    description: str | None = None,
) -> Callable[[Callable[P, R]], Worker[P, R]]:
    """Declare a function `(output)` or `(output, ctx)` as a validator.

    It returns a `Verdict` or a bool, or raises `Invalid("why")`. Declared `-> None`, it passes by returning. An
    output that does not fit the annotation of `output` is a failed verdict. The arguments are those of `worker`.

    Raises:
        ProjectError: the declaration or the function's signature cannot work; names the place.
    """
    return declare(
        WorkerKind.VALIDATOR,
        name,
        pool=pool,
        concurrency=concurrency,
        max_running=max_running,
        rate=rate,
        retry_on=retry_on,
        timeout=timeout,
        process=process,
        memory_mb=memory_mb,
        description=description,
    )


def declare(
    kind: WorkerKind,
    name: str,
    *,
    pool: str,
    concurrency: int | None,
    max_running: int | None,
    rate: str | None,
    retry_on: tuple[type[BaseException], ...],
    timeout: str | float | None,
    process: bool,
    memory_mb: int | None,
    description: str | None,
) -> Callable[[Callable[P, R]], Worker[P, R]]:
    """A decorator that declares a function as one of `kind`; the arguments are those of `worker`."""
    if callable(name):
        raise ProjectError(f'{_place_of(name)}: write @{kind.value}("some.name"), with a name')

    def decorate(function: Callable[P, R]) -> Worker[P, R]:
        place = _place_of(function)
        try:
            _check_function(function, process=process)
            names = sys._getframe(1).f_locals if "<locals>" in function.__qualname__ else None
            signature = read_signature(function, single=kind is WorkerKind.VALIDATOR, names=names)
            card = make_card(
                name,
                kind,
                pool=pool,
                signature=signature,
                concurrency=concurrency,
                max_running=max_running,
                rate=rate,
                timeout=timeout,
                process=process,
                memory_mb=memory_mb,
                description=description if description is not None else _first_line(function),
            )
            retried = retry_on if isinstance(retry_on, tuple) else (retry_on,)
            return Worker(function, card, signature, retry_on=retried, place=place)
        except (TypeError, ValueError) as error:
            raise ProjectError(f"{place}: {kind.value} {name!r}: {error}") from error

    return decorate


def make_card(
    name: str,
    kind: WorkerKind,
    *,
    pool: str,
    signature: Signature,
    concurrency: int | None = None,
    max_running: int | None = None,
    rate: str | None = None,
    timeout: str | float | None = None,
    process: bool = False,
    memory_mb: int | None = None,
    description: str = "",
) -> WorkerCard:
    """The card of a declaration.

    Raises:
        ValueError: a name, pool, limit, rate or timeout that cannot be.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("a name is lower-case words joined by dots, like research.search")
    if name.startswith(RESERVED):
        raise ValueError(f"names that begin with {RESERVED!r} are the framework's own")
    if kind is not WorkerKind.TOOL and not _POOL.fullmatch(pool):
        raise ValueError(f"the pool {pool!r} is not a lower-case word")
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"concurrency is at least 1, not {concurrency}")
    if memory_mb is not None and (not process or memory_mb < LEAST_MEMORY_MB):
        raise ValueError(f"memory_mb is for process=True, and at least {LEAST_MEMORY_MB}: the child's own Python")
    if max_running is not None and max_running < 1:
        raise ValueError(f"max_running is at least 1, not {max_running}")
    return WorkerCard(
        name=name,
        kind=kind,
        pool=pool,
        description=description,
        input_schema=None if kind is WorkerKind.VALIDATOR else signature.input_schema,
        output_schema=None if kind is WorkerKind.VALIDATOR else signature.output_schema,
        concurrency=concurrency,
        timeout=None if timeout is None else parse_duration(timeout),
        process=process,
        memory_mb=memory_mb,
        max_running=max_running,
        rate=None if rate is None else str(Rate.parse(rate)),
    )


def _check_function(function: Any, *, process: bool) -> None:
    if not isinstance(function, FunctionType):
        raise TypeError("it decorates a function (for a Runnable or a graph use as_worker)")
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError("a generator has no one result; return a list")
    if process and "<locals>" in function.__qualname__:
        raise TypeError("process=True needs a function at the top of its module, where the child can import it")


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").strip().split("\n", 1)[0]


def _place_of(function: Any) -> str:
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return f"{short_path(code.co_filename)}:{code.co_firstlineno}" if code else repr(function)


def short_path(path: str) -> str:
    """The path below the working directory where it lies there, else as it is."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
