"""The nearest valid name, for every "unknown …" message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_LISTED = 8


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was most likely meant to be, or None where none is near."""
    known = list(candidates)
    by_folded = {candidate.lower().replace("-", "_"): candidate for candidate in known}
    folded = name.lower().replace("-", "_")[:100]
    if folded in by_folded:
        return by_folded[folded]
    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggest(name: str, candidates: Iterable[str]) -> str:
    """`did you mean 'x'?`; without a near one the candidates themselves if they are few; else an empty string."""
    known = sorted(set(candidates))
    near = nearest(name, known)
    if near is not None:
        return f"did you mean '{near}'?"
    if known and len(known) <= MOST_LISTED:
        return f"known: {', '.join(known)}"
    return ""
