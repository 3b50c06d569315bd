from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workers.samples import TEXT
from workers.excerpts import excerpt_of
from workers.sentences import (
    EXCERPT_BREAK,
    MAX_QUOTE,
    content_words,
    key_sentences,
    normalised,
    segments,
    sentences,
    shortened,
)

PROSE = st.text(st.sampled_from("aeno T.!?\n-*#|`>1[…]é字。"), max_size=800)


def test_sentences_are_the_prose_of_a_markdown_text() -> None:
    assert sentences(TEXT) == [
        "The bridge was opened in 1932 by the mayor of the town.",
        "It carries more than 160,000 vehicles on a working day.",
        "Painting the bridge takes a crew of forty painters ten years.",
        "The painters begin again at the other end of the bridge when they have finished.",
    ]


@given(PROSE)
def test_every_sentence_stands_in_the_text_without_a_gap(text: str) -> None:
    parts = segments(text)
    assert all(any(sentence in part for part in parts) for sentence in sentences(text))


@given(PROSE, st.integers(min_value=1, max_value=4))
def test_key_sentences_are_real_quotes_and_the_same_every_time(text: str, limit: int) -> None:
    chosen = key_sentences(text, limit)
    parts = segments(text)
    assert chosen == key_sentences(text, limit)
    assert len(chosen) <= limit
    assert bool(chosen) == bool(parts)
    assert all(len(quote) <= MAX_QUOTE and any(quote in part for part in parts) for quote in chosen)


def test_key_sentences_prefer_what_the_text_speaks_of_and_do_not_repeat_themselves() -> None:
    text = f"{TEXT}\nThe painters begin again at the other end of the bridge when they have finished it.\nIt rained.\n"
    chosen = key_sentences(text, 3)
    assert sum("other end of the bridge" in quote for quote in chosen) == 1
    assert not any("rained" in quote for quote in chosen)


@given(PROSE, st.integers(min_value=40, max_value=400))
def test_an_excerpt_holds_nothing_but_pieces_of_the_document(text: str, limit: int) -> None:
    text = text.replace(EXCERPT_BREAK, "")
    excerpt = excerpt_of(text, limit)
    whole = normalised(text)
    assert excerpt.characters <= limit
    assert all(part in whole for part in segments(excerpt.text))
    assert (excerpt.text == text) == (len(text) <= limit)


def test_shortened_cuts_between_words_and_says_so() -> None:
    assert shortened("as it is", 8) == "as it is"
    assert shortened("one two three", 10) == "one two…"
    assert shortened("unbreakable", 6) == "unbre…"


def test_content_words_leave_out_the_common_ones() -> None:
    assert content_words("There would have been Bridges, über 1932") == {"bridges", "über"}
