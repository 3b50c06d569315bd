from __future__ import annotations

from typing import Any

import pytest

from orchestrator import Verdict
from tests.unit.workers.samples import TEXT, document, source
from workers.review import citations_exist, quotes_verbatim, reply_policy, statements_grounded
from workers.sentences import EXCERPT_BREAK

OPENED = "The bridge was opened in 1932 by the mayor of the town."
SOURCES = [source(1, OPENED), source(4, "Forty painters need ten years.")]
GOOD_REPLY = (
    "Hello,\n\nthank you for your message. Our finance team will look into it and answer you soon.\n\nKind regards"
)


async def judged_quotes(*quotes: str, text: str = TEXT) -> Verdict:
    output = {"points": [{"quote": quote, "point": "It says something."} for quote in quotes]}
    verdict = await quotes_verbatim.test(output, input={"document": document(text=text).model_dump()})
    assert isinstance(verdict, Verdict)
    return verdict


async def judged_brief(worker: Any, *statements: tuple[str, list[int]]) -> Verdict:
    output = {"title": "Title", "statements": [{"text": text, "sources": cited} for text, cited in statements]}
    verdict = await worker.test(output, input={"topic": "", "sources": [one.model_dump() for one in SOURCES]})
    assert isinstance(verdict, Verdict)
    return verdict


async def test_quotes_may_differ_in_whitespace_only() -> None:
    assert (await judged_quotes(OPENED, "town. It carries more  than 160,000\nvehicles")).passed


@pytest.mark.parametrize(
    "false",
    [
        "The bridge was opened in 1933 by the mayor of the town.",
        OPENED.upper(),
        OPENED.replace("mayor", "mayor …"),
        "The bridge … by the mayor of the town.",
    ],
)
async def test_a_quote_that_is_not_word_for_word_is_named(false: str) -> None:
    verdict = await judged_quotes(OPENED, false)
    assert not verdict.passed
    assert verdict.message.startswith(f"1 of 2 quotes do not stand in bridge.md: “{false}”")
    assert verdict.score == 0.5


async def test_a_quote_across_the_gap_of_an_excerpt_is_false() -> None:
    text = f"The first part ends here\n\n{EXCERPT_BREAK}\n\nand the second part begins there."
    for quote in (f"part ends here {EXCERPT_BREAK} and the second", "part ends here and the second part begins"):
        assert not (await judged_quotes(quote, text=text)).passed


async def test_whitespace_does_not_make_a_quote_long_enough() -> None:
    verdict = await judged_quotes("The bridge" + " " * 20)
    assert not verdict.passed
    assert "at least 20 characters" in verdict.message


async def test_citations_must_be_among_the_sources() -> None:
    assert (await judged_brief(citations_exist, ("The bridge is old.", [1, 4]))).passed
    verdict = await judged_brief(citations_exist, ("The bridge is old.", [1]), ("As we saw [9].", [4, 2]))
    assert not verdict.passed
    assert verdict.message == "no source has the number 2, 9; there are 1, 4"


async def test_a_brief_of_many_documents_cites_more_than_one_of_them() -> None:
    given = {"topic": "", "sources": [source(number, OPENED, document=f"{number}.md").model_dump() for number in
                                      range(1, 6)]}  # fmt: skip
    for cited, says in (([1, 2], "cite at least 3 documents"), ([1, 2, 5], "")):
        output = {"title": "Title", "statements": [{"text": "The bridge is old.", "sources": cited}]}
        verdict = await citations_exist.test(output, input=given)
        assert verdict.passed is (not says)
        assert says in verdict.message


async def test_the_words_that_mark_a_point_by_rule_ground_nothing() -> None:
    by_rule = {**source(1, OPENED).model_dump(), "point": "In the document's words: " + OPENED}
    output = {"title": "Title", "statements": [{"text": "The document has words.", "sources": [1]}]}
    assert not (await statements_grounded.test(output, input={"topic": "", "sources": [by_rule]})).passed


async def test_a_brief_without_citations_is_not_a_brief() -> None:
    assert not (await judged_brief(citations_exist, ("The bridge is old.", []))).passed


async def test_a_statement_shares_words_with_what_it_cites() -> None:
    verdict = await judged_brief(
        statements_grounded,
        ("In 1932 the mayor opened the bridge.", [1]),
        ("Forty painters work for ten years.", [1]),
        ("Dragons live below the water.", [4]),
    )
    assert not verdict.passed
    assert verdict.message == (
        "“Forty painters work for ten years.” has little to do with [1], [4] is nearer; "
        "“Dragons live below the water.” has little to do with [4]"
    )
    assert verdict.score == pytest.approx(1 / 3)


@pytest.mark.parametrize("reply", [GOOD_REPLY, GOOD_REPLY.replace("Hello", "Guten Tag"), "Dear Ada, " + "x " * 40])
async def test_a_polite_reply_passes(reply: str) -> None:
    verdict = await reply_policy.test({"reply": reply})
    assert verdict.passed is ("x x x" not in reply)


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ("We will refund you tomorrow.", "promise nothing"),
        ("We're sorry. You will get your money back.", "promise nothing"),
        ("This is guaranteed.", "promise nothing"),
        ("Write to ada@example.com.", "name no e-mail address"),
        ("Call +49 30 1234567.", "name no long number"),
        ("See https://example.com/x.", "name no link"),
        ("Best wishes, [Your Name]", "the blank “[Your Name]”"),
        ("Our finance team will look into it and answer.", "say nothing twice: “our finance team will look into”"),
    ],
)
async def test_a_reply_that_breaks_a_rule_is_told_which(added: str, says: str) -> None:
    verdict = await reply_policy.test({"reply": f"{GOOD_REPLY} {added}"})
    assert not verdict.passed
    assert says in verdict.message


@pytest.mark.parametrize(
    ("reply", "says"),
    [("Hello!", "write 40 to 700"), ("Hello " + "word " * 200, "write 40 to 700"), ("We got it. " * 5, "greeting")],
)
async def test_a_reply_greets_and_has_a_sensible_length(reply: str, says: str) -> None:
    assert says in (await reply_policy.test({"reply": reply})).message
