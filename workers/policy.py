"""What a reply to a customer must not do. Rules of the house, as patterns; no model."""

from __future__ import annotations

import re

from pydantic import BaseModel

from workers.sentences import repeated_words

REPLY_LENGTH = (40, 700)

_GREETING = re.compile(
    r"(hello|hi|dear|good (morning|day|afternoon|evening)|greetings|thank you|"
    r"bonjour|hola|guten tag|hallo|liebe|ciao)\b",
    re.IGNORECASE,
)
_PROMISES = (
    re.compile(r"\b(full|partial|complete|immediate) refund\b", re.IGNORECASE),
    re.compile(r"\b(we|i)(['\u2019]ll| will| shall| can| have| are going to)\b[^.!?]{0,40}\brefund", re.IGNORECASE),
    re.compile(
        r"\byou(['\u2019]ll| will| shall)\b[^.!?]{0,40}\b(refund|reimburse|compensat|money back|free)", re.IGNORECASE
    ),
    re.compile(r"\b(money back|compensat\w+|guarantee[ds]?|we are liable|our liability)\b", re.IGNORECASE),
)
_PERSONAL = (
    ("an e-mail address", re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")),
    ("a long number", re.compile(r"(?<!\w)\+?\d(?:[ .\-/]?\d){7,}")),
    ("a link", re.compile(r"\b(https?://|www\.)\S+", re.IGNORECASE)),
)
_BLANKS = re.compile(r"\[[^\]\n]{1,40}\]|\{[^}\n]{1,40}\}|<[^>\n]{1,40}>|_{3,}")


class Reply(BaseModel):
    """An answer to a customer."""

    reply: str


def policy_breaches(reply: str) -> list[str]:
    """The rules that a reply breaks, as sentences that tell its writer what to change."""
    text = reply.strip()
    least, most = REPLY_LENGTH
    broken = []
    if not least <= len(text) <= most:
        broken.append(f"the reply has {len(text)} characters; write {least} to {most}")
    if not _GREETING.match(text):
        broken.append("begin with a greeting such as Hello")
    broken += [f"promise nothing: “{found[0]}”" for rule in _PROMISES if (found := rule.search(text))][:1]
    broken += [
        f"name no {what.split(' ', 1)[1]}: “{found[0]}”" for what, rule in _PERSONAL if (found := rule.search(text))
    ]
    if blank := _BLANKS.search(text):
        broken.append(f"fill in or leave out the blank “{blank[0]}”")
    if repeated := repeated_words(text):
        broken.append(f"say nothing twice: “{repeated}”")
    return broken
