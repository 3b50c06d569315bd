from __future__ import annotations

import pytest

from tests.unit.workers.samples import document, source
from workers.extraction import Failure, Source
from workers.review import citations_exist, statements_grounded
from workers.writing import MAX_STATEMENTS, compose_brief, lay_out

OPENED = source(1, "The bridge was opened in 1932 by the mayor.", document="a.md")
CARRIES = source(2, "It carries 160,000 vehicles a day.", document="a.md", method="extractive")
PAINTED = source(3, "Forty painters need ten years.", document="b.md")


@pytest.mark.parametrize("count", [1, 3, 40])
async def test_the_composed_brief_passes_the_validators_that_it_stands_in_for(count: int) -> None:
    sources = [source(number, f"Sentence number {number} about bridges.", document=f"{number}.md") for number in
               range(1, count + 1)]  # fmt: skip
    given = {"topic": "", "sources": [one.model_dump() for one in sources]}
    brief = await compose_brief.test(given)
    assert len(brief.statements) == min(count, MAX_STATEMENTS)
    for validator in (citations_exist, statements_grounded):
        assert (await validator.test(brief, input=given)).passed


async def test_the_composed_brief_quotes_each_document_once() -> None:
    brief = await compose_brief.test(topic="Bridges", sources=[OPENED, CARRIES, PAINTED])
    assert brief.title == "Bridges"
    assert [statement.sources for statement in brief.statements] == [[1], [3]]
    assert (await compose_brief.test(topic="", sources=[OPENED])).title == "What 1 document says"


async def test_a_brief_is_laid_out_with_citations_points_and_what_was_read() -> None:
    said = Source(**{**PAINTED.model_dump(), "point": "It takes long."})
    brief = {
        "title": "Bridges\n# no heading",
        "statements": [{"text": "The mayor\nopened it.", "sources": [1, 3, 1]}] * 2,
    }
    out = await lay_out.test(
        brief=brief,
        sources=[OPENED, CARRIES, said],
        documents=[document("a.md"), document("b.md")],
        failed=[Failure(document="c.md", message="too slow")],
        left_out=["d.md"],
        skipped=["e.md, which is not UTF-8 text"],
    )
    assert out.markdown.splitlines()[0] == "# Bridges # no heading"
    assert out.markdown.count("The mayor opened it. [1][3]") == 1
    assert "- [2] “It carries 160,000 vehicles a day.” (extractive)" in out.markdown
    assert "- [3] It takes long.: “Forty painters need ten years.” (agent)" in out.markdown
    for line in ("- c.md: no points (too slow)", "d.md", "- not used: e.md, which is not UTF-8 text"):
        assert line in out.markdown
    assert [(one.number, one.document) for one in out.citations] == [(1, "a.md"), (3, "b.md")]
