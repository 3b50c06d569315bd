from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workers.samples import TEXT, document
from workers.documents import Document
from workers.extraction import MAX_POINT, OWN_WORDS, Extraction, Gathered, extractive, gather
from workers.review import quotes_verbatim

OPENED = "The bridge was opened in 1932 by the mayor of the town."
CARRIES = "It carries more than 160,000 vehicles on a working day."


def points(*quotes: str) -> dict[str, Any]:
    return {"points": [{"quote": quote, "point": "A point about the bridge."} for quote in quotes]}


def done(value: Any) -> dict[str, Any]:
    return {"ok": True, "value": value, "error": None}


async def by_rule(of: Document) -> dict[str, Any]:
    out = await extractive.test(document=of)
    assert isinstance(out, Extraction)
    return out.model_dump(mode="json")


async def gathered(documents: list[Document], *results: Any, **more: Any) -> Gathered:
    out = await gather.test(documents=documents, results=list(results), **more)
    assert isinstance(out, Gathered)
    return out


@pytest.mark.parametrize("text", [TEXT, "x" * 900, "no sentence but more than forty characters of text", "字。" * 60])
async def test_the_extractive_worker_passes_the_validator_that_it_stands_in_for(text: str) -> None:
    given = document(text=text)
    value = await by_rule(given)
    assert (await quotes_verbatim.test(value, input={"document": given.model_dump()})).passed
    assert all(point["point"].startswith(OWN_WORDS) for point in value["points"])
    assert all(len(point["point"]) <= MAX_POINT for point in value["points"])


async def test_points_are_numbered_over_all_documents_and_counted_by_path() -> None:
    one, two = document("one.md"), document("two.md")
    out = await gathered([one, two], done(points(OPENED, CARRIES)), done(await by_rule(two)))
    assert [(source.number, source.document, source.method) for source in out.sources] == [
        (1, "one.md", "agent"),
        (2, "one.md", "agent"),
        (3, "two.md", "extractive"),
        (4, "two.md", "extractive"),
    ]
    assert (out.counts.agent, out.counts.extractive) == (2, 2)


async def test_a_model_that_quotes_the_same_sentences_is_still_counted_as_the_agent() -> None:
    one = document()
    value = await by_rule(one)
    for point in value["points"]:
        point["point"] = "Said in words of its own."
    assert (await gathered([one], done(value))).counts.agent == len(value["points"])


async def test_a_quote_given_twice_counts_once() -> None:
    out = await gathered([document()], done(points(OPENED, OPENED.replace(" ", "\n"))))
    assert [source.quote for source in out.sources] == [OPENED]


async def test_a_document_without_points_is_listed_with_the_reason() -> None:
    failed = {"ok": False, "value": None, "error": {"code": "timeout", "message": "too slow"}}
    out = await gathered([document("a.md"), document("b.md")], failed, done(points(OPENED)))
    assert [(failure.document, failure.message) for failure in out.failed] == [("a.md", "too slow")]
    assert [source.number for source in out.sources] == [1]


async def test_the_writer_sees_the_first_point_of_every_document_before_any_second() -> None:
    documents = [document(f"{name}.md") for name in "abc"]
    out = await gathered(documents, *[done(points(OPENED, CARRIES))] * 3, writer_points=4)
    assert [source.number for source in out.for_writer] == [1, 2, 3, 5]
    assert len(out.sources) == 6


async def test_results_that_do_not_match_the_documents_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        await gathered([document()], done(points(OPENED)), done(points(OPENED)))
