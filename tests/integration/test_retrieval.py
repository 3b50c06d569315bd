"""The retrieval workers on a real Postgres with pgvector, and embeddings of a real model and over HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import workers.places
from orchestrator.errors import SecretMissing
from tests.integration.web import Answer, Request, serving
from tests.unit.workers.papers import pdf
from workers.failures import Refused
from workers.files import text_of
from workers.retrieval import IndexOut, SearchOut, index_folder, search

DOCS = Path(__file__).parents[2] / "docs"
CATS = "Cats sleep for most of the day. A kitten purrs when it is content, and it hunts mice at night."
BOATS = "The ferry crosses the harbour every hour. Its captain checks the engines before each voyage."
BREAD = "Sourdough needs flour, water and salt. Knead the dough, let it rise, and bake it until the crust is brown."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(workers.places, "PROJECT_ROOT", tmp_path)
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in (("cats.md", CATS), ("boats.txt", BOATS), ("bread.html", f"<main><p>{BREAD}</p></main>")):
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever wants to look up a host's name fails: the local model must need none."""

    def refuse(host: Any, *_: Any, **__: Any) -> Any:
        if host not in ("127.0.0.1", b"127.0.0.1"):
            raise AssertionError(f"{host} was looked up")
        return real(host, *_, **__)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


async def make(url: str, **fields: Any) -> IndexOut:
    out = await index_folder.test({"folder": "texts", **fields}, database_url=url)
    assert isinstance(out, IndexOut)
    return out


async def ask(url: str, question: str, **fields: Any) -> SearchOut:
    out = await search.test({"question": question, **fields}, database_url=url)
    assert isinstance(out, SearchOut)
    return out


async def value(url: str, sql: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("Which pet catches rodents?", "cats.md"),  # no word in common
        ("ships and sailors", "boats.txt"),
        ("kneading", "bread.html"),  # the stem
        ("How do I make a loaf?", "bread.html"),
    ],
)
async def test_passages_are_found_by_meaning_and_by_words(
    folder: Path, database_url: str, question: str, document: str
) -> None:
    out = await make(database_url)
    assert (out.documents, out.passages, out.added, out.skipped, out.search) == (3, 3, 3, [], "exact")
    hits = (await ask(database_url, question)).hits
    assert hits[0].document == document
    assert [hit.number for hit in hits] == [1, 2, 3]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_the_ranks_and_offsets_say_where_a_hit_comes_from(folder: Path, database_url: str) -> None:
    await make(database_url)
    first, *others = (await ask(database_url, "captain of the ferry")).hits
    assert (first.word_rank, first.meaning_rank) == (1, 1)
    assert first.score == pytest.approx(2 / 61, abs=1e-6)
    assert {hit.word_rank for hit in others} == {None}
    for hit in (first, *others):
        text = text_of((folder / hit.document).read_bytes(), hit.document)
        assert text[hit.start : hit.end] == hit.text


async def test_only_what_changed_is_embedded_again(folder: Path, database_url: str) -> None:
    await make(database_url)
    kept = await value(database_url, "SELECT id FROM retrieval.documents WHERE path = 'cats.md'")
    (folder / "boats.txt").write_text("The barge was sold.")
    (folder / "bread.html").unlink()
    (folder / "new.pdf").write_bytes(pdf("A lighthouse warns the ships."))
    out = await make(database_url)
    assert (out.added, out.changed, out.unchanged, out.removed) == (1, 1, 1, 1)
    assert await value(database_url, "SELECT id FROM retrieval.documents WHERE path = 'cats.md'") == kept
    hits = (await ask(database_url, "ferry barge sourdough lighthouse")).hits
    assert {hit.document for hit in hits} == {"cats.md", "boats.txt", "new.pdf"}
    assert await value(database_url, "SELECT count(*) FROM retrieval.passages") == 3


async def test_another_way_of_splitting_embeds_everything_anew(folder: Path, database_url: str) -> None:
    (folder / "long.md").write_text("\n\n".join([CATS, BOATS, BREAD] * 5))
    few = await make(database_url, characters=900)
    many = await make(database_url, characters=200, overlap=20)
    assert (many.added, many.unchanged) == (4, 0)
    assert many.passages > few.passages
    assert await value(database_url, "SELECT count(*) FROM retrieval.indexes") == 1


async def test_a_file_that_became_unreadable_is_skipped_and_forgotten(folder: Path, database_url: str) -> None:
    await make(database_url)
    (folder / "cats.md").write_bytes(b"\xff\xfe broken")
    out = await make(database_url)
    assert [(skipped.path, "not UTF-8" in skipped.why) for skipped in out.skipped] == [("cats.md", True)]
    assert out.removed == 1
    assert "cats.md" not in {hit.document for hit in (await ask(database_url, "kitten")).hits}


async def test_tenants_and_indexes_do_not_see_each_other(folder: Path, database_url: str) -> None:
    await make(database_url)
    (folder / "cats.md").unlink()
    await make(database_url, index="other")
    assert {hit.document for hit in (await ask(database_url, "kitten", index="other")).hits} == {
        "boats.txt",
        "bread.html",
    }
    assert (await ask(database_url, "kitten")).hits[0].document == "cats.md"
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE retrieval.indexes SET tenant = 'acme' WHERE name = 'default'")
    await connection.close()
    with pytest.raises(Refused, match="there is no index 'default'") as caught:
        await ask(database_url, "kitten")
    assert caught.value.code == "index_missing"


async def test_an_index_that_was_never_made_is_refused(folder: Path, database_url: str) -> None:
    with pytest.raises(Refused, match=r"make it with retrieval\.index_folder"):
        await ask(database_url, "anything")


@pytest.mark.parametrize("question", ["???", "the of and", "it's a \\ 'quoted' thing", "日本語", "a & b | !c :*"])
async def test_any_question_is_answered(folder: Path, database_url: str, question: str) -> None:
    await make(database_url)
    assert len((await ask(database_url, question)).hits) == 3


async def test_a_large_index_is_searched_through_hnsw_with_the_same_best_hits(folder: Path, database_url: str) -> None:
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("*.png"))
    exact = await make(database_url, characters=400, overlap=0)
    questions = ["What happens to a run when its supervisor is killed?", "effects that happen once", "retention"]
    before = [(await ask(database_url, question)).hits for question in questions]
    approximate = await make(database_url, characters=400, overlap=0, hnsw_above=100)
    assert (exact.search, approximate.search) == ("exact", "hnsw")
    assert exact.passages == approximate.passages > 100
    after = [(await ask(database_url, question)).hits for question in questions]
    for one, other in zip(before, after, strict=True):
        assert one[0] == other[0]
        assert len({hit.text for hit in one} & {hit.text for hit in other}) >= 4
    assert await plan_of_search(database_url, "passages_hnsw_")


async def plan_of_search(url: str, index: str) -> bool:
    """Whether the planner can use the index for the statement that is really sent."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
    row = await connection.fetchrow("SELECT id, dimensions FROM retrieval.indexes")
    assert row is not None
    sql = (Path(workers.places.__file__).with_name("retrieval_search.sql")).read_text()
    sql = sql.replace(":index", str(row["id"])).replace(":dimensions", str(row["dimensions"]))
    plan = await connection.fetch(
        f"EXPLAIN {sql.partition('WITH')[1]}{sql.partition('WITH')[2]}", "q", [0.5] * 256, 9, 3
    )
    await connection.close()
    return any(index in line[0] for line in plan)


async def test_two_that_index_at_once_do_not_disturb_each_other(folder: Path, database_url: str) -> None:
    outs = await asyncio.gather(*[make(database_url) for _ in range(4)])
    assert sorted(out.added for out in outs) == [0, 0, 0, 3]
    assert {out.passages for out in outs} == {3}


async def test_a_language_that_postgres_does_not_know_is_refused(folder: Path, database_url: str) -> None:
    with pytest.raises(Refused, match="no text search configuration 'klingon'"):
        await make(database_url, language="klingon")


async def test_a_user_who_may_not_install_pgvector_is_told_what_to_do(folder: Path, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE ROLE nobody_much LOGIN")
    try:
        with pytest.raises(Refused, match="CREATE EXTENSION vector") as caught:
            await make(database_url.replace("postgres@", "nobody_much@", 1))
        assert caught.value.code == "vector_missing"
    finally:
        await connection.execute("DROP ROLE nobody_much")
        await connection.close()


async def test_questions_must_be_embedded_as_the_passages_were(folder: Path, database_url: str) -> None:
    await make(database_url)
    with pytest.raises(Refused, match="the same `embeddings`") as caught:
        await ask(database_url, "kitten", embeddings={"provider": "openai", "model": "other"})
    assert caught.value.code == "embeddings_differ"


async def test_embeddings_of_a_server_are_asked_for_with_its_key(folder: Path, database_url: str) -> None:
    topics = ("cat", "ferry", "flour")

    def answer(request: Request) -> Answer:
        texts = json.loads(request.body)["input"]
        vectors = [[float(topic in text) + 0.1 for topic in topics] for text in texts]
        data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
        body = {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        return Answer(json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    with serving(answer) as web:
        chosen = {"provider": "openai", "model": "m", "base_url": f"{web.url}/v1", "api_key": "EMBED_KEY"}
        given: dict[str, Any] = {"database_url": database_url, "secrets": {"EMBED_KEY": "sesame"}}
        out = await index_folder.test({"folder": "texts", "embeddings": chosen}, **given)
        assert (out.added, out.passages) == (3, 3)
        found = await search.test({"question": "flour", "embeddings": chosen}, **given)
    assert found.hits[0].document == "bread.html"
    assert found.hits[0].meaning_rank == 1
    assert {request.path for request in web.requests} == {"/v1/embeddings"}
    assert {request.headers["authorization"] for request in web.requests} == {"Bearer sesame"}
    with pytest.raises(SecretMissing, match="EMBED_KEY"):
        await search.test({"question": "flour", "embeddings": chosen}, database_url=database_url)
