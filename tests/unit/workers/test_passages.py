from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.passages import split

DOCS = sorted((Path(__file__).parents[3] / "docs").glob("*.md"))


@given(
    st.text(st.sampled_from("ab .\n#`\f—é"), max_size=600),
    st.integers(min_value=10, max_value=120),
    st.floats(min_value=0, max_value=0.49),
)
def test_every_character_is_in_a_passage_of_the_right_size_and_place(text: str, characters: int, share: float) -> None:
    passages = split(text, characters=characters, overlap=int(characters * share * 0.99))
    covered = set[int]()
    for passage in passages:
        assert text[passage.start : passage.end] == passage.text == passage.text.strip()
        assert 0 < len(passage.text) <= characters
        assert passage.page in (None, text.count("\f", 0, passage.start) + 1)
        covered |= set(range(passage.start, passage.end))
    assert all(text[at].isspace() for at in set(range(len(text))) - covered)
    assert [passage.start for passage in passages] == sorted({passage.start for passage in passages})


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_the_passages_of_real_pages_begin_and_end_where_the_text_pauses(path: Path) -> None:
    text = path.read_text()
    passages = split(text, characters=1_200, overlap=150)
    assert len(passages) >= len(text) / 1_200
    assert all(passage.heading for passage in passages)
    for passage in passages:
        assert passage.start == 0 or text[passage.start - 1].isspace()
        assert passage.end == len(text) or text[passage.end].isspace()
    for one, other in pairwise(passages):
        assert one.end - other.start <= 150


def test_a_passage_knows_its_heading_and_code_is_no_heading() -> None:
    text = "# One\n\n" + "First. " * 30 + "\n\n```sh\n# a comment\n```\n\n" + "More. " * 30 + "\n\n## Two ##\n\nLast."
    passages = split(text, characters=150, overlap=20)
    assert {passage.heading for passage in passages} == {"One", "Two"}
    assert passages[-1].text == "## Two ##\n\nLast."


def test_neighbours_share_whole_sentences() -> None:
    text = " ".join(f"Sentence number {number} stands here." for number in range(40))
    passages = split(text, characters=300, overlap=80)
    for one, other in pairwise(passages):
        assert other.text.startswith("Sentence number")
        assert one.text.endswith("here.")
        assert one.end > other.start


def test_nothing_spans_two_pages() -> None:
    passages = split("One.\fTwo.\f\fFour.", characters=100, overlap=10)
    assert [(passage.page, passage.text) for passage in passages] == [(1, "One."), (2, "Two."), (4, "Four.")]


def test_an_overlap_of_half_a_passage_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap of 50"):
        split("text", characters=100, overlap=50)
