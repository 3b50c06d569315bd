from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.answers import (
    MAX_ANSWER,
    NOTHING,
    Answer,
    AnswerIn,
    answer_by_rule,
    answer_extractive,
    lay_out_answer,
    select_sentences,
    stems,
)
from workers.citations import answer_cited, paragraphs_cited, quotes_in_sources

BRIDGE = "The bridge was opened in 1932 by the mayor of the town. Painting it takes a crew of forty painters ten years."
FERRY = "The ferry crosses the harbour every hour. It was built in the yard of the town and carries sixty passengers."
SOURCES = [
    {"number": 1, "document": "bridge.md", "text": BRIDGE, "start": 20, "end": 130, "heading": "The bridge"},
    {"number": 2, "document": "ferry.pdf", "text": FERRY, "start": 0, "end": 110, "page": 3},
]
QUESTION = "How long does painting the bridge take?"
GIVEN = {"question": QUESTION, "sources": SOURCES}


async def test_the_sentence_that_says_most_of_the_question_answers_it() -> None:
    answer = await answer_extractive.test(GIVEN)
    assert answer == Answer(answer="Painting it takes a crew of forty painters ten years.", sources=[1])


async def test_a_second_sentence_is_taken_where_it_adds_to_the_first() -> None:
    answer = await answer_extractive.test(
        {**GIVEN, "question": "Who opened the bridge? How many passengers does the ferry carry?"}
    )
    assert answer.sources == [1, 2]
    assert answer.answer == "The bridge was opened in 1932 by the mayor of the town. " + FERRY.split(". ")[1]


async def test_without_passages_it_says_so() -> None:
    assert await answer_extractive.test({**GIVEN, "sources": []}) == Answer(answer=NOTHING, sources=[])


async def test_only_the_nearest_sentences_of_a_passage_are_kept() -> None:
    out = await select_sentences.test({**GIVEN, "sentences": 1})
    assert [source.text for source in out.sources] == [
        BRIDGE.split(". ")[1],
        "The ferry crosses the harbour every hour.",
    ]
    assert (out.sources[0].start, out.sources[1].page) == (20, 3)


@given(st.text(max_size=80), st.lists(st.text(max_size=700), max_size=4))
def test_any_passages_give_an_answer_of_bounded_length(question: str, texts: list[str]) -> None:
    sources = [{"number": number, "document": "d", "text": text} for number, text in enumerate(texts, start=1)]
    answer = answer_by_rule(AnswerIn.model_validate({"question": question or "?", "sources": sources}))
    assert 0 < len(answer.answer) <= MAX_ANSWER
    assert len(answer.sources) <= 2


def test_words_are_compared_without_their_endings() -> None:
    assert stems("kills killed killing") == {"kill"}
    assert stems("supervisor") != stems("superstep")
    assert stems("the run of a dog") == {"run", "dog"}


async def test_an_answer_is_laid_out_with_the_places_of_its_quotes() -> None:
    answer = {"answer": "Forty painters need ten years, and the ferry crosses every hour.", "sources": [1, 2, 9]}
    out = await lay_out_answer.test({**GIVEN, "answer": answer})
    assert out.markdown == (
        f"# {QUESTION}\n\n{answer['answer']} [1][2]\n\n"
        "[1] bridge.md, characters 20 to 130: “Painting it takes a crew of forty painters ten years.”\n\n"
        "[2] ferry.pdf, page 3: “The ferry crosses the harbour every hour.”\n"
    )
    assert [cited.number for cited in out.citations] == [1, 2]
    assert out.method == "agent"
    by_rule = (await answer_extractive.test(GIVEN)).model_dump()
    assert (await lay_out_answer.test({**GIVEN, "answer": by_rule})).method == "extractive"


@pytest.mark.parametrize(
    ("answer", "sources", "says"),
    [
        ("A crew of forty painters needs ten years for the painting.", [1], ""),
        (
            "A crew of forty painters needs ten years for the painting.",
            [7],
            "no source has the number 7; there are 1, 2",
        ),
        ("A crew of forty painters needs ten years for the painting.", [], "the answer cites nothing"),
        ("A crew of forty painters needs ten years for the painting.", [2], "nothing that its sources say"),
        ("A crew of forty painters needs ten years for the painting.", [1, 2], "nothing of this stands in [2]"),
        ("Painting the bridge takes long.", [1], "nothing that its sources say"),
        (
            "The mayor of the town opened a new railway museum with famous actors and singers.",
            [1],
            "do not speak of actors, famous, museum, railway, singers",
        ),
        ("The mayor of the town opened it in 1932.", [1], "does not take up the question"),
        ("Forty painters paint the bridge for ten years and the", [1], "end with a whole sentence"),
        (
            "The crew of forty painters is the crew of forty painters is the crew of forty painters.",
            [1],
            "nothing twice",
        ),
    ],
)
async def test_an_answer_must_rest_on_what_it_cites(answer: str, sources: list[int], says: str) -> None:
    verdict = await answer_cited.test({"answer": answer, "sources": sources}, input=GIVEN)
    assert verdict.passed == (not says)
    assert says in verdict.message


async def test_the_answer_by_rule_always_passes() -> None:
    for question in (QUESTION, "???", "Nothing of this"):
        given = {**GIVEN, "question": question}
        answer = (await answer_extractive.test(given)).model_dump()
        assert (await answer_cited.test(answer, input=given)).passed


CITED = """# A heading of some length without a source

The bridge was opened in 1932 by the mayor [1].

- Painting takes forty painters ten years [1, 2].
- Short item.

| a | table | of | six | cells | here |

```
code with more than six words is no claim
```

What does the ferry carry on a Sunday?

The sources say the following things about it:

[1] bridge.md: the bridge was opened in 1932 by the mayor
"""


async def test_a_text_whose_claims_all_cite_passes() -> None:
    verdict = await paragraphs_cited.test({"markdown": CITED}, input=GIVEN)
    assert verdict.passed, verdict.message
    assert (verdict.score, verdict.evidence["cited"]) == (1, [1, 2])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("The bridge was opened in 1932 [3].", "no source has the number 3; there are 1, 2"),
        (
            "The bridge was opened by the mayor.\n\nThe ferry crosses every hour today [2].",
            "1 of 2 paragraphs cite nothing",
        ),
    ],
)
async def test_a_claim_without_a_source_or_with_one_that_is_none_is_named(text: str, says: str) -> None:
    verdict = await paragraphs_cited.test({"text": text}, input={"hits": SOURCES})
    assert not verdict.passed
    assert says in verdict.message


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("It says: “Painting it takes a crew of forty painters ten years.”", []),
        ('It says: “a crew of  forty\npainters” and "crosses the harbour".', []),
        ("It says: “a crew of fifty painters”.", ["a crew of fifty painters"]),
        ("The “so-called” bridge.", []),
    ],
)
async def test_quotes_must_stand_in_a_source(text: str, false: list[str]) -> None:
    verdict = await quotes_in_sources.test({"text": text}, input=GIVEN)
    assert verdict.evidence["false"] == false
    assert verdict.passed == (not false)


async def test_an_output_without_a_text_is_no_pass() -> None:
    verdict: Any = await paragraphs_cited.test({"other": 1}, input=GIVEN)
    assert not verdict.passed
