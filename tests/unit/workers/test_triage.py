from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Verdict
from tests.unit.workers.samples import ticket
from workers.policy import policy_breaches
from workers.review import reply_policy
from workers.signals import category_of, urgency_of
from workers.triage import (
    QUEUES,
    RULE_MARK,
    Classification,
    Routed,
    class_supported,
    classify_rules,
    reply_template,
    route,
    tabulate,
)

MESSAGES = Path(__file__).parents[3] / "graphs/data/support_messages.csv"
CHARGED = {"id": "m-1", "text": "I was charged twice for the invoice of March."}
BROKEN = {"id": "m-2", "text": "The export fails with an unexpected error. Immediately help!"}
EMPTY = {"id": "m-3", "text": "?!"}


def shipped() -> list[dict[str, str]]:
    with MESSAGES.open(encoding="utf-8", newline="") as stream:
        return [{"id": row["id"], "text": row["text"]} for row in csv.DictReader(stream)]


def classified(category: str, evidence: str, urgency: str = "normal") -> dict[str, Any]:
    return {"category": category, "urgency": urgency, "evidence": evidence}


async def judged(message: dict[str, str], output: dict[str, Any]) -> Verdict:
    verdict = await class_supported.test(output, input={"message": message})
    assert isinstance(verdict, Verdict)
    return verdict


async def routed(*pairs: tuple[dict[str, str], dict[str, Any] | None]) -> Routed:
    results = [{"ok": value is not None, "value": value, "error": None} for _, value in pairs]
    out = await route.test(messages=[message for message, _ in pairs], results=results)
    assert isinstance(out, Routed)
    return out


@pytest.mark.parametrize(
    ("text", "category", "urgency"),
    [
        (CHARGED["text"], "billing", "normal"),
        (BROKEN["text"], "bug", "high"),
        ("Verify your password at http://x.example", "security", "normal"),
        ("It would be great if it could be scheduled", "feature", "low"),
        ("I cannot log in to my account", "account", "normal"),
        ("Good morning everybody", "other", "normal"),
        ("", "other", "low"),
        ("???", "other", "low"),
    ],
)
def test_words_tell_category_and_urgency(text: str, category: str, urgency: str) -> None:
    assert (category_of(text), urgency_of(text)) == (category, urgency)


@pytest.mark.parametrize("message", shipped(), ids=lambda message: message["id"])
async def test_the_rules_pass_the_validator_that_they_stand_in_for(message: dict[str, str]) -> None:
    value = await classify_rules.test(message=message)
    assert isinstance(value, Classification)
    assert value.evidence.startswith(RULE_MARK)
    assert (await judged(message, value.model_dump())).passed


async def test_evidence_stands_in_the_message() -> None:
    assert (await judged(CHARGED, classified("billing", "Charged  twice"))).passed
    for evidence in ("charged thrice", "", RULE_MARK + "charged"):
        verdict = await judged(CHARGED, classified("billing", evidence))
        assert not verdict.passed
        assert "does not stand in the message" in verdict.message


async def test_a_category_does_not_go_against_plain_words() -> None:
    verdict = await judged(BROKEN, classified("billing", "The export"))
    assert verdict.message == "nothing in the message says billing, but “fails”, “unexpected”, “error” says bug"
    assert (await judged(BROKEN, classified("bug", "The export"))).passed


async def test_a_message_that_says_nothing_is_other() -> None:
    assert not (await judged(EMPTY, classified("billing", "?!"))).passed
    assert (await judged(EMPTY, classified("other", ""))).passed


async def test_messages_are_routed_by_category_and_urgency_and_none_is_lost() -> None:
    by_rule = (await classify_rules.test(message=CHARGED)).model_dump()
    out = await routed((CHARGED, by_rule), (BROKEN, classified("bug", "export", "high")), (EMPTY, None))
    assert [(one.id, one.queue, one.method, one.answer) for one in out.tickets] == [
        ("m-1", "finance", "rules", True),
        ("m-2", "on-call", "agent", True),
        ("m-3", "front-desk", "rules", False),
    ]
    assert out.by_queue == {"finance": 1, "on-call": 1, "front-desk": 1}
    assert out.by_method == {"rules": 2, "agent": 1}


async def test_nobody_answers_a_phisher() -> None:
    out = await routed((CHARGED, classified("security", "charged")))
    assert not out.tickets[0].answer


@pytest.mark.parametrize("category", QUEUES)
@pytest.mark.parametrize("urgency", ["low", "normal", "high"])
async def test_the_template_keeps_the_policy(category: str, urgency: str) -> None:
    reply = await reply_template.test(ticket=ticket(category=category, urgency=urgency, queue=QUEUES[category]))
    assert (await reply_policy.test(reply)).passed


async def test_drafts_are_saved_and_every_ticket_is_listed(root: Path) -> None:
    written = "Hello, thank you for your message. The team will look into it and come back to you."
    agent, rules, silent = ticket(id="m-1"), ticket(id="../m 2"), ticket(id="m-3", answer=False)
    template = (await reply_template.test(ticket=rules)).reply
    out = await tabulate.test(
        tickets=[agent, rules, silent],
        answered=[agent, rules],
        drafts=[{"ok": True, "value": {"reply": written}}, {"ok": True, "value": {"reply": template}}],
    )
    assert [(entry.id, entry.draft, entry.drafted_by) for entry in out.entries] == [
        ("m-1", "out/triage/m-1.txt", "agent"),
        ("../m 2", "out/triage/%2fm%202.txt", "rules"),
        ("m-3", "", ""),
    ]
    assert (root / "out/triage/m-1.txt").read_text() == written + "\n"
    assert out.drafts == {"agent": 1, "rules": 1, "none": 1}


async def test_a_draft_that_breaks_the_policy_is_never_saved(root: Path) -> None:
    bad = "Hello, we will refund everything that you have ever paid us."
    assert policy_breaches(bad)
    out = await tabulate.test(tickets=[ticket()], answered=[ticket()], drafts=[{"ok": True, "value": {"reply": bad}}])
    assert out.entries[0].draft == ""
    assert not (root / "out").exists()
