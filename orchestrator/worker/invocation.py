"""One call of a worker's function, from plain input to checked result: the same in a test, a process and a child."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from orchestrator.domain.payload import Payload
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import WorkerKind
from orchestrator.errors import Invalid
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.dependencies import resolve
from orchestrator.worker.failures import NotJson, OutputTooLarge, WrongInput, WrongType
from orchestrator.worker.large_values import beside_the_loop
from orchestrator.worker.threads import Stop, run_in_thread

Clean = Callable[[Any], Any] | None


async def invoke(worker: Worker[..., Any], value: Any, ctx: Context, stop: Stop) -> Any:
    """Call the function: check the input, make the dependencies, check the result.

    Args:
        worker: whose function is called.
        value: the input, or for a validator the output to judge.
        ctx: the attempt's context.
        stop: ends the thread of a sync function.

    Returns:
        What the function returned, typed; for a validator a `Verdict`.

    Raises:
        AttemptError: the input or the result is wrong; and whatever the function raises.
    """
    judging = worker.card.kind is WorkerKind.VALIDATOR
    try:
        arguments = worker.signature.arguments(value, ctx)
    except WrongInput as error:
        if judging:
            return Verdict(False, error.message.replace("the input", "the output", 1))
        raise
    try:
        async with AsyncExitStack() as stack:
            arguments |= await resolve(worker.signature.dependencies, ctx, stack)
            result = await _call(worker, arguments, stop)
    except Invalid as error:
        if judging:
            return Verdict(False, error.message)
        raise
    if judging:
        return _verdict(worker, result)
    return await beside_the_loop(result, worker.signature.checked)


def as_json(worker: Worker[..., Any], result: Any) -> Any:
    """What `invoke` returned as plain JSON; a verdict as `{passed, message, score, evidence}`.

    Raises:
        NotJson: it holds something that JSON has no form for.
    """
    if worker.card.kind is not WorkerKind.VALIDATOR:
        return worker.signature.dump(result)
    verdict: Verdict = result
    try:
        evidence = to_jsonable_python(verdict.evidence)
    except (PydanticSerializationError, UnicodeDecodeError, ValueError) as error:
        raise NotJson(f"the verdict's evidence cannot be stored as JSON: {error}") from error
    return {
        "passed": verdict.passed,
        "message": verdict.message,
        "score": verdict.score,
        "evidence": evidence,
    }


def as_payload(worker: Worker[..., Any], result: Any, *, clean: Clean = None, max_bytes: int) -> Payload:
    """What `invoke` returned as it will be stored.

    Args:
        worker: whose result it is.
        result: what `invoke` returned.
        clean: redacts secrets in the plain JSON.
        max_bytes: `worker.max_output_bytes`.

    Raises:
        NotJson: it holds something that JSON has no form for (NaN and infinities among them).
        OutputTooLarge: naming both sizes.
    """
    plain = as_json(worker, result)
    try:
        payload = Payload.of(plain if clean is None else clean(plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJson(f"the output cannot be stored as JSON: {error}") from error
    if payload.ref.size > max_bytes:
        raise OutputTooLarge(
            f"the output has {payload.ref.size:,} bytes; the limit is {max_bytes:,}",
            remedy="return a reference instead of the data, or raise worker.max_output_bytes",
        )
    return payload


async def _call(worker: Worker[..., Any], arguments: dict[str, Any], stop: Stop) -> Any:
    call = functools.partial(worker.function, **arguments)
    if inspect.iscoroutinefunction(worker.function):
        return await call()
    return await run_in_thread(call, stop, worker.name)


def _verdict(worker: Worker[..., Any], result: Any) -> Verdict:
    if isinstance(result, Verdict):
        return result
    if isinstance(result, bool):
        return Verdict(result)
    if result is None and worker.signature.returns_none:
        return Verdict(True)
    hint = "; declare it `-> None` if it passes by returning" if result is None else ""
    raise WrongType(f"expected a Verdict or bool, got {type(result).__name__}{hint}")
