from __future__ import annotations

import pytest

from orchestrator.cli.failures import describe, exit_code, report, unwrap
from orchestrator.errors import (
    Conflict,
    DatabaseUnavailable,
    Fenced,
    InputsInvalid,
    NotFound,
    OrchestratorError,
    Problem,
    SchemaOutOfDate,
    WorkflowError,
)

DATABASE = DatabaseUnavailable("Postgres at localhost:5432/x cannot be reached")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkflowError([]), 2),
        (InputsInvalid("x"), 2),
        (NotFound("x"), 2),
        (Conflict("x"), 2),
        (DATABASE, 3),
        (SchemaOutOfDate("x"), 3),
        (Fenced("x"), 1),
        (RuntimeError("x"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_is_told_with_its_code_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(DATABASE) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error[ORC-210]: Postgres at localhost:5432/x cannot be reached\n  check ")
    assert "Traceback" not in printed.err


def test_a_workflow_error_lists_every_place(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem("a.yaml", 9, 3, "unknown key 'promt'", "did you mean 'prompt'?"),
        Problem("a.yaml", 2, 1, "no name"),
    ]
    assert report(WorkflowError(problems)) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "error[ORC-110]: 2 mistakes in a.yaml",
        "a.yaml:2:1: no name",
        "a.yaml:9:3: unknown key 'promt' (did you mean 'prompt'?)",
    ]


def test_an_unexpected_error_hides_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORCHESTRATOR_DEBUG", raising=False)
    assert report(KeyError("x")) == 1
    printed = capsys.readouterr().err
    assert "unexpected KeyError" in printed
    assert "ORCHESTRATOR_DEBUG=1" in printed
    assert "Traceback" not in printed


def test_the_traceback_is_there_on_request(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DEBUG", "1")
    try:
        raise KeyError("x")
    except KeyError as error:
        report(error)
    assert "Traceback" in capsys.readouterr().err


def test_our_own_error_is_found_inside_a_group() -> None:
    group = ExceptionGroup("several", [ValueError("x"), ExceptionGroup("inner", [DATABASE])])
    assert unwrap(group) is DATABASE
    assert exit_code(unwrap(group)) == 3


def test_every_error_of_the_tree_can_be_described() -> None:
    def tree(kind: type[OrchestratorError]) -> list[type[OrchestratorError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in tree(child))]

    for kind in tree(OrchestratorError):
        error = kind.__new__(kind)
        OrchestratorError.__init__(error, "what was wrong")
        error.problems = ()
        assert describe(error)[0] == ("error", f"error[{kind.code}]: what was wrong")
