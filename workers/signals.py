"""Words and phrases in a support message that tell its category and urgency, without a model."""

from __future__ import annotations

import re
from typing import Literal

Category = Literal["billing", "bug", "account", "feature", "security", "other"]
Urgency = Literal["low", "normal", "high"]

MIN_WORDS = 2

_CATEGORY_SIGNALS: dict[Category, str] = {
    "security": r"""verify your password|bank details|card numbers?|confirm your|gift card|phishing|hacked
        |someone logged in|another country|admin password|ignore your instructions|of another company|found a hole
        |vulnerab\w+|suspended|https?://|www\.""",
    "billing": r"""invoices?|charged?|refund|payments?|pay|paid|promo code|subscription|vat|checkout|price|upgrade
        |rechnung|facture|factura|pagar|transferencia|tarjeta|wages""",
    "bug": r"""crash\w*|fail\w*|errors?|broken|slow|404|does not work|doesn.t work|stopped working|empty page
        |unexpected|are lost|does nothing|an hour early|bug|the app
        |since the update|latest version""",
    "account": r"""password|log(?:ged)? ?in|login|sign in|e-?mail address on my account|two-factor|my account
        |administrator|settings page|change (?:my|the) (?:e-?mail|password)|delete all the data
        |users|connecter|mot de passe|anmelden|deleted a project""",
    "feature": r"""would be great|could (?:the|you|we)|please add|feature|dark mode|is there an api|scheduled|remember
        |difference between|wish""",
}
_URGENT = re.compile(
    r"urgent\w*|immediately|asap|lock it now|standing still|losing money|lawyer|third time|!!|\?\?"
    r"|today, we|every one of our|hospital|every single time|before noon|of another company|another country",
    re.IGNORECASE,
)
_CALM = re.compile(r"not important|would be great|just wanted|thank you!|could the", re.IGNORECASE)


def _pattern(alternatives: str) -> re.Pattern[str]:
    one_line = re.sub(r"\s*\n\s*", "", alternatives)
    return re.compile(rf"(?<!\w)(?:{one_line})(?!\w)", re.IGNORECASE)


_PATTERNS = {category: _pattern(alternatives) for category, alternatives in _CATEGORY_SIGNALS.items()}


def signals(text: str) -> dict[Category, list[str]]:
    """What in the text speaks for each category, most first; categories that nothing speaks for are left out.

    At equal strength security comes first, then billing: to overlook those costs most.
    """
    found = {category: _distinct(pattern.findall(text)) for category, pattern in _PATTERNS.items()}
    ranked = sorted(found.items(), key=lambda pair: -len(pair[1]))
    return {category: words for category, words in ranked if words}


def category_of(text: str) -> Category:
    """The category that most speaks for; `other` where nothing does."""
    return next(iter(signals(text)), "other")


def urgency_of(text: str) -> Urgency:
    """High where somebody is stuck, threatened or angry; low where the sender says that it can wait."""
    if not says_something(text):
        return "low"
    if _URGENT.search(text):
        return "high"
    return "low" if _CALM.search(text) else "normal"


def says_something(text: str) -> bool:
    """Whether there is anything to classify: at least two words."""
    return len(re.findall(r"[^\W\d_]{2,}", text)) >= MIN_WORDS


def _distinct(words: list[str]) -> list[str]:
    return list(dict.fromkeys(word.casefold() for word in words))
