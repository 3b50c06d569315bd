"""What an exception means for the step."""

from __future__ import annotations

from typing import Any, cast

import pytest

from orchestrator.domain.outcome import ErrorInfo
from orchestrator.errors import DatabaseUnavailable, InDoubt, OrchestratorError
from orchestrator.worker.describe import MAX_DETAIL, MAX_MESSAGE, describe
from orchestrator.worker.failures import RemoteFailure, WrongType
from orchestrator.worker.registry import Registry
from orchestrator.worker.toolbox import ToolMaker


class HTTPError(Exception):
    """Two capitals and a word."""


class Duplicate(Exception):
    """Has a code of its own."""

    code = "already_there"


class Numbered(Exception):
    """Its code is not text."""

    code = 409


class Unspeakable(Exception):
    """Cannot be printed."""

    def __str__(self) -> str:
        raise LookupError


@pytest.mark.parametrize(
    ("error", "code", "error_class"),
    [
        (ValueError("x"), "value", "error"),
        (HTTPError("x"), "http", "error"),
        (Duplicate("x"), "already_there", "error"),
        (Numbered("x"), "numbered", "error"),
        (InDoubt("x"), "ORC-430", "in_doubt"),
        (WrongType("x"), "wrong_type", "error"),
        (DatabaseUnavailable("x"), "ORC-210", "connection"),
        (KeyboardInterrupt(), "keyboard_interrupt", "error"),
        (Unspeakable(), "unspeakable", "error"),
    ],
)
def test_code_and_class(error, code, error_class):
    info = describe(error)
    assert (info.code, info.error_class) == (code, error_class)


def test_what_retry_on_lists_is_retryable_whatever_else_it_is():
    assert describe(ConnectionError("x"), retry_on=(OSError,)).error_class == "retryable"
    assert describe(ConnectionError("x")).error_class == "connection"


def test_a_childs_description_is_taken_as_it_is_and_redacted():
    told = ErrorInfo("lookup", "retryable", "no sesame", "detail with sesame")
    info = describe(RemoteFailure(told.as_json()), clean=lambda text: text.replace("sesame", "***"))
    assert info == ErrorInfo("lookup", "retryable", "no ***", "detail with ***")


def test_everything_is_bounded():
    info = describe(ValueError("x" * 100_000))
    assert len(info.message) == MAX_MESSAGE
    assert len(info.detail) == MAX_DETAIL


def test_an_empty_message_is_the_name():
    assert describe(LookupError()).message == "LookupError"


def test_what_the_framework_says_on_purpose_has_no_traceback_and_what_a_worker_raises_has():
    tools: Any = ToolMaker(Registry(), cast("Any", None), 1)

    def worker() -> None:
        raise InDoubt("mine")

    def detail_of(function: Any, *arguments: Any) -> str:
        with pytest.raises(OrchestratorError) as caught:
            function(*arguments)
        return describe(caught.value.with_traceback(caught.tb.tb_next)).detail

    assert detail_of(tools.toolbox, ["no.such"], None) == ""
    assert "in worker" in detail_of(worker)
