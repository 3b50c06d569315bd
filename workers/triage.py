"""Support messages: classified and answered by rule where the agent was not good enough, routed, and tabulated."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from orchestrator import Context, Depends, Verdict, validator, worker
from workers.failures import Refused
from workers.places import output_file, project_root, shown, write_whole
from workers.policy import Reply, policy_breaches
from workers.sentences import normalised, shortened
from workers.signals import Category, Urgency, category_of, says_something, signals, urgency_of

MAX_EVIDENCE = 120
STRONG = 2
RULE_MARK = "by rule: "
"""How the evidence of a classification by rule begins; see `route`."""

QUEUES: dict[Category, str] = {
    "billing": "finance",
    "bug": "engineering",
    "account": "identity",
    "feature": "product",
    "security": "security",
    "other": "front-desk",
}
OPENERS: dict[Category, str] = {
    "billing": "Thank you for writing to us about your payment.",
    "bug": "Thank you for telling us that something does not work as it should.",
    "account": "Thank you for writing to us about your account.",
    "feature": "Thank you for your suggestion.",
    "security": "Thank you for your report.",
    "other": "Thank you for your message.",
}


class Message(BaseModel):
    """A row of the table; columns besides these are kept out of prompts."""

    id: str
    text: str


class ClassifyIn(BaseModel):
    """The message to classify."""

    message: Message


class Classification(BaseModel):
    """What a message is about. `evidence` are words of the message, or what the rules found."""

    category: Category
    urgency: Urgency
    evidence: str = Field(max_length=MAX_EVIDENCE)


@worker("triage.classify_rules", pool="triage")
def classify_rules(input: ClassifyIn) -> Classification:
    """Classify by words and phrases; no model."""
    return _by_rule(input.message.text)


@validator("triage.class_supported")
def class_supported(output: Classification, ctx: Context) -> Verdict:
    """The evidence stands in the message, and the category does not go against what the message plainly says."""
    text = ClassifyIn.model_validate(ctx.input).message.text
    if output == _by_rule(text):
        return Verdict(passed=True, message="the rules say so")
    if not says_something(text):
        passed = output.category == "other"
        return Verdict(passed=passed, message="" if passed else "the message says nothing: its category is other")
    evidence = normalised(output.evidence)
    if not evidence or evidence.casefold() not in normalised(text).casefold():
        return Verdict(
            passed=False,
            message=f"the evidence “{shortened(evidence, 60)}” does not stand in the message; copy a few words of it",
        )
    found = signals(text)
    likely = next(iter(found), output.category)
    against = output.category not in found and len(found.get(likely, [])) >= STRONG
    words = "”, “".join(found.get(likely, []))
    return Verdict(
        passed=not against,
        message=f"nothing in the message says {output.category}, but “{words}” says {likely}" if against else "",
        evidence={"signals": found},
    )


class ItemResult(BaseModel):
    """One item of `foreach` with `on_item_error: collect`."""

    ok: bool
    value: Any = None
    error: dict[str, Any] | None = None


class RouteIn(BaseModel):
    """Messages and their classifications, in the same order."""

    messages: list[Message]
    results: list[ItemResult]


class Ticket(BaseModel):
    """A message with the queue that it goes to.

    Attributes:
        method: whether the agent or the rules classified it.
        answer: whether a reply is drafted; security and empty messages are for people to answer.
    """

    id: str
    text: str
    category: Category
    urgency: Urgency
    queue: str
    method: str
    answer: bool


class Routed(BaseModel):
    """All tickets, and how many went where."""

    tickets: list[Ticket]
    by_queue: dict[str, int]
    by_category: dict[str, int]
    by_method: dict[str, int]


@worker("triage.route", pool="triage")
def route(input: RouteIn) -> Routed:
    """Give every message its queue: by category, and the urgent ones to whoever is on call.

    A message that could not be classified goes to the front desk, so that none is lost. That the rules classified a
    message is found by asking them again: they are a pure function, and mark what they say.

    Raises:
        ValueError: there are not as many results as messages.
    """
    tickets = [_ticket(message, result) for message, result in zip(input.messages, input.results, strict=True)]
    return Routed(
        tickets=tickets,
        by_queue=Counter(ticket.queue for ticket in tickets),
        by_category=Counter(ticket.category for ticket in tickets),
        by_method=Counter(ticket.method for ticket in tickets),
    )


class ReplyIn(BaseModel):
    """The ticket to answer."""

    ticket: Ticket


@worker("triage.reply_template", pool="triage")
def reply_template(input: ReplyIn) -> Reply:
    """A reply that promises nothing but an answer; no model."""
    ticket = input.ticket
    when = "with priority" if ticket.urgency == "high" else "as soon as it can"
    return Reply(
        reply=f"Hello,\n\n{OPENERS[ticket.category]} Our {ticket.queue.replace('-', ' ')} team has it and will answer "
        f"{when}.\n\nKind regards\nYour support team"
    )


class TabulateIn(BaseModel):
    """All tickets; the answered ones and their drafts in the same order; the folder below `out/` for the drafts."""

    tickets: list[Ticket]
    answered: list[Ticket]
    drafts: list[ItemResult]
    folder: str = "triage"


class Entry(BaseModel):
    """One line of the table; `draft` is the file of the reply, empty where there is none."""

    id: str
    category: Category
    urgency: Urgency
    queue: str
    classified_by: str
    draft: str
    drafted_by: str


class Table(BaseModel):
    """The table, and how many drafts came from which path."""

    entries: list[Entry]
    drafts: dict[str, int]


@worker("triage.tabulate", pool="triage")
def tabulate(input: TabulateIn, root: Annotated[Path, Depends(project_root)]) -> Table:
    """Save each draft that keeps the policy below `out/`, and list every ticket.

    Raises:
        Refused: `path_outside`, `file_unwritable`.
        ValueError: there are not as many drafts as answered tickets.
    """
    paths: dict[str, tuple[str, str]] = {}
    for ticket, result in zip(input.answered, input.drafts, strict=True):
        reply = str(result.value["reply"]) if result.ok else ""
        if not reply or policy_breaches(reply):
            continue
        by = "rules" if reply == reply_template(ReplyIn(ticket=ticket)).reply else "agent"
        paths[ticket.id] = (_save(root, f"{input.folder}/{_file_name(ticket.id)}.txt", reply), by)
    entries = [_entry(ticket, *paths.get(ticket.id, ("", ""))) for ticket in input.tickets]
    return Table(entries=entries, drafts=Counter(entry.drafted_by or "none" for entry in entries))


def _by_rule(text: str) -> Classification:
    category = category_of(text)
    found = ", ".join(signals(text).get(category, [])) or "nothing matched"
    return Classification(
        category=category,
        urgency=urgency_of(text),
        evidence=shortened(RULE_MARK + found, MAX_EVIDENCE),
    )


def _ticket(message: Message, result: ItemResult) -> Ticket:
    by_rule = _by_rule(message.text)
    given = Classification.model_validate(result.value) if result.ok else by_rule
    queue = QUEUES[given.category] if result.ok else QUEUES["other"]
    if given.urgency == "high" and given.category in ("bug", "account"):
        queue = "on-call"
    return Ticket(
        id=message.id,
        text=message.text,
        category=given.category,
        urgency=given.urgency,
        queue=queue,
        method="rules" if given == by_rule else "agent",
        answer=given.category != "security" and says_something(message.text),
    )


def _entry(ticket: Ticket, draft: str, by: str) -> Entry:
    return Entry(
        id=ticket.id,
        category=ticket.category,
        urgency=ticket.urgency,
        queue=ticket.queue,
        classified_by=ticket.method,
        draft=draft,
        drafted_by=by,
    )


def _file_name(ticket: str) -> str:
    return re.sub(r"[^\w.-]", lambda found: f"%{ord(found[0]):02x}", ticket).lstrip(".")[:100] or "ticket"


def _save(root: Path, name: str, text: str) -> str:
    path = output_file(root, name)
    try:
        write_whole(path, text + "\n")
    except OSError as error:
        raise Refused("file_unwritable", f"cannot write {shown(path, root)}: {error.strerror or error}") from error
    return shown(path, root.resolve())
