"""The log of a started process: error lines are told once, and the file stays bounded."""

from __future__ import annotations

from pathlib import Path

from orchestrator.placement.process_log import ProcessLog


def write(log: ProcessLog, text: str) -> None:
    with log.open() as file:
        file.write(text.encode())


def test_lines_that_say_what_went_wrong_are_told_once(tmp_path: Path):
    log = ProcessLog(tmp_path / "logs" / "io-1.log")
    assert log.errors() == []
    write(log, "12:00:01 INFO    a: fine\n12:00:02 ERROR   b: broken\nTraceback\n12:00:03 WARNING c: hm\nerror[ORC-1")
    assert log.errors() == ["12:00:02 ERROR   b: broken"]
    write(log, "30]: no such file\n")
    assert log.errors() == ["error[ORC-130]: no such file"]
    assert log.errors() == []


def test_what_an_earlier_process_wrote_is_not_told_again(tmp_path: Path):
    write(ProcessLog(tmp_path / "a.log"), "error: old\n")
    log = ProcessLog(tmp_path / "a.log")
    write(log, "error: new\n\n")
    assert log.errors() == ["error: new"]
    assert log.last_line() == "error: new"


def test_a_flood_is_bounded_while_the_process_goes_on_writing(tmp_path: Path):
    log = ProcessLog(tmp_path / "a.log", most_bytes=1_000)
    with log.open() as file:  # the process holds it all the time
        for turn in range(5):
            file.write(b"error: again\n" * 100)
            file.flush()
            assert len(log.errors()) == 100, turn
            assert log.file.stat().st_size == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1"]
    assert (tmp_path / "a.log.1").stat().st_size == 1_300


def test_more_than_can_be_read_at_one_look_is_passed_over(tmp_path: Path):
    log = ProcessLog(tmp_path / "a.log")
    write(log, "x" * 3_000_000 + "\nerror: last\n")
    assert log.errors() == ["error: last"]
