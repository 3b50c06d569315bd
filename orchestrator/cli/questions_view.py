"""What waits for a person, on the command line: in a list, in full, and the command that answers it."""

from __future__ import annotations

import dataclasses
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from orchestrator.cli.event_lines import first_line, place
from orchestrator.cli.forms import form_fields
from orchestrator.cli.quantities import duration_text, run_argument, short_id
from orchestrator.domain.identity import NO_ITEM

if TYPE_CHECKING:
    from orchestrator.store.questions import Question


def answer_command(question: Question, tenant: str | None = None) -> str:
    """The command that answers a question, with dots for what the person has to fill in."""
    parts = ["orchestrator runs answer", run_argument(question.run_id, tenant), question.step]
    if question.item != NO_ITEM:
        parts.append(f"--item {question.item}")
    required = [name for name in form_fields(question.form) if name in (question.form or {}).get("required", ())]
    if required:
        parts += [f"-v {shlex.quote(name)}=…" for name in required]
    else:
        parts.append("-v …=…" if form_fields(question.form) else "--value …")
    return " ".join(part for part in parts if part)


def waiting_line(question: Question, tenant: str | None = None) -> str:
    """One question as one line: for whom it waits, and how it is answered."""
    command = answer_command(question, tenant)
    if question.about_budget:
        return f"{first_line(question.description)}: {command}"
    return f"waiting for {question.assignee or 'a person'}: {command}"


def print_waiting(console: Console, questions: Sequence[Question], tenant: str | None = None) -> None:
    """Print questions, two or three lines each."""
    now = time.time()
    for question in questions:
        console.print(Text.assemble(("? ", "bold magenta"), _heading(question, now)), soft_wrap=True)
        if question.description:
            console.print(Text(f"  {first_line(question.description)}"), soft_wrap=True)
        console.print(Text(f"  {answer_command(question, tenant)}", style="cyan"), soft_wrap=True)


def _heading(question: Question, now: float) -> str:
    what = "budget" if question.about_budget else place(question.step, question.item)
    parts = [f"{what} of {question.workflow} {short_id(question.run_id)}"]
    if question.assignee:
        parts.append(f"for {question.assignee}")
    parts.append(f"asked {duration_text(now - question.asked_at)} ago")
    if question.expires_at is not None:
        parts.append(f"expires in {duration_text(question.expires_at - now)}")
    return " · ".join(parts)


def print_question(console: Console, question: Question) -> None:
    """Print a question in full: what the person is shown, why an earlier answer was refused, what the form asks for."""
    from orchestrator.cli.summary import print_output
    from orchestrator.client.questions import form_text

    console.print(Text(_heading(question, time.time()), style="bold"), soft_wrap=True)
    if question.description:
        console.print(Text(question.description), soft_wrap=True)
    shown = question.shown
    if question.about_budget:  # its description has the reason
        shown = {name: value for name, value in shown.items() if name != "reason"}
    if shown not in (None, {}):
        print_output(console, shown)
    for message in question.feedback:
        console.print(Text(f"refused: {message}", style="red"), soft_wrap=True)
    passed = [f"{said['validator']}{_score(said)}" for said in question.verdicts if said["passed"]]
    if passed:
        console.print(Text(f"passed: {', '.join(passed)}", style="dim"), soft_wrap=True)
    if question.rejected is not None:
        rejected = json.dumps(question.rejected, ensure_ascii=False)
        console.print(Text(f"what was refused: {rejected}", style="dim"), soft_wrap=True)
    console.print(Text(f"asks for: {form_text(question.form)}"), soft_wrap=True)


def _score(said: Mapping[str, Any]) -> str:
    return "" if said.get("score") is None else f" (score {said['score']:.2g})"


def question_json(question: Question) -> dict[str, Any]:
    """A question as plain JSON, ids apart."""
    return dataclasses.asdict(question)
