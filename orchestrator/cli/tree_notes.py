"""What the notes of a run add to its trace: iterations of a `repeat`, who was asked and who answered, pauses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.cli.event_lines import event_line, place
from orchestrator.cli.node import Node
from orchestrator.cli.quantities import time_text
from orchestrator.domain import event as kinds
from orchestrator.domain.event import StoredEvent

if TYPE_CHECKING:
    from orchestrator.store.attempts import AttemptRow


class TreeNotes:
    """The notes of one run, by what they are about."""

    def __init__(self, notes: Sequence[StoredEvent]) -> None:
        self._by_attempt: dict[Any, list[StoredEvent]] = defaultdict(list)
        self._iterations: dict[str, list[StoredEvent]] = defaultdict(list)
        self._of_run: list[StoredEvent] = []
        for note in notes:
            if note.event.kind == kinds.STEP_ITERATION:
                self._iterations[note.event.step].append(note)
            elif note.event.attempt_id is not None:
                self._by_attempt[note.event.attempt_id].append(note)
            elif not note.event.step:
                self._of_run.append(note)

    def of_run(self) -> list[Node]:
        """When the run paused and why, who let it go on or stopped it."""
        return [_node(note) for note in self._of_run]

    def of_attempt(self, attempt: AttemptRow) -> list[Node]:
        """Who answered a question, and when; or that nobody did in time."""
        return [_node(note) for note in self._by_attempt[attempt.id] if note.event.kind != kinds.HUMAN_ASKED]

    def assignee(self, attempt: AttemptRow) -> str:
        """Who was meant by a question, empty for anybody."""
        asked = [note for note in self._by_attempt[attempt.id] if note.event.kind == kinds.HUMAN_ASKED]
        return str(asked[-1].event.data.get("assignee") or "") if asked else ""

    def iterations(self, step: str, attempts: Sequence[AttemptRow]) -> Iterator[tuple[str, list[AttemptRow]]]:
        """The attempts of each iteration of a step, with what is known of it; all under "" where there is none.

        An iteration is noted after its last attempt has ended, so what ended before belongs to it.
        """
        rest = list(attempts)
        notes = self._iterations[step]
        for note in notes:
            done = [each for each in rest if each.finished_at is not None and each.finished_at <= note.at]
            rest = [each for each in rest if each not in done]
            until = "until is true" if note.event.data.get("until") else "until is not true yet"
            yield f"iteration {note.event.data.get('iteration', '')}: {until}", done
        if rest or not notes:
            yield (f"iteration {len(notes) + 1}" if notes else ""), rest


def _node(note: StoredEvent) -> Node:
    line = event_line(note) or note.event.kind
    return Node(f"{line.removeprefix(place(note.event.step, note.event.item)).strip()} at {time_text(note.at)}")
