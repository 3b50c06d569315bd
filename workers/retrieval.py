"""Index a folder in Postgres with pgvector, and find its passages by words and by meaning at once."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated, Literal

import asyncpg
from pydantic import BaseModel, Field

from orchestrator import Context, Depends, worker
from workers.documents import Skipped
from workers.embeddings import Embedder, EmbeddingChoice, embedder
from workers.failures import Refused
from workers.files import SUFFIXES, documents_below, file_bytes, printable, text_of
from workers.passages import Passage, Splitting, split
from workers.places import folder_at, project_root, shown
from workers.retrieval_store import MAX_HNSW_DIMENSIONS, IndexRow, RetrievalStore, connection_of

CANDIDATES = 50
"""Passages that each of the two searches proposes, at the least."""

LOST = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)

Store = Annotated[RetrievalStore, Depends(connection_of)]


class IndexIn(Splitting):
    """Which folder becomes which index, and how.

    Attributes:
        folder: absolute, or from the project's root.
        index: its name; each tenant has its own.
        embeddings: the model. With another one than before, everything is embedded anew, as with other passages.
        language: a text search configuration of Postgres, for the stems of words: `english`, `german`, `simple`, …
        hnsw_above: more passages than these get an approximate (HNSW) index; up to them every one is compared.
    """

    folder: str = Field(min_length=1)
    index: str = Field(default="default", min_length=1, max_length=100)
    embeddings: EmbeddingChoice = EmbeddingChoice()
    language: str = Field(default="english", min_length=1, max_length=63)
    hnsw_above: int = Field(default=10_000, ge=0)


class IndexOut(BaseModel):
    """What became of the folder's documents; `search` says how passages are compared from now on."""

    index: str
    documents: int
    passages: int
    added: int
    changed: int
    unchanged: int
    removed: int
    skipped: list[Skipped]
    search: Literal["exact", "hnsw"]


@worker("retrieval.index_folder", pool="retrieval", process=True, timeout="1h", retry_on=LOST)
async def index_folder(
    input: IndexIn, ctx: Context, root: Annotated[Path, Depends(project_root)], store: Store
) -> IndexOut:
    """Index the documents of a folder: new and changed ones are read and embedded, those that went are forgotten.

    Each document is stored as it is done, so a later attempt goes on where an earlier one was lost.

    Raises:
        Refused: `folder_missing`, `folder_empty`, `vector_missing`, `language_unknown`, `extra_missing`.
    """
    folder = folder_at(root, input.folder)
    files = {printable(path.relative_to(folder)): path for path in await asyncio.to_thread(documents_below, folder)}
    if not files:
        raise Refused("folder_empty", f"there is no {' or '.join(SUFFIXES)} file in {shown(folder, root)}")
    embeds = embedder(input.embeddings, ctx)
    (sample,) = await embeds.embed(["How long are the vectors?"])
    await store.prepare()
    async with store.alone(input.index):
        index = await store.open(
            input.index,
            model=input.embeddings.name,
            dimensions=len(sample),
            language=input.language,
            splitting=f"{input.characters}/{input.overlap}",
        )
        return await _Indexing(input, ctx, store, embeds, index).run(files)


class _Indexing:
    """One pass over a folder's files."""

    def __init__(self, input: IndexIn, ctx: Context, store: RetrievalStore, embeds: Embedder, index: IndexRow) -> None:
        self._input = input
        self._ctx = ctx
        self._store = store
        self._embeds = embeds
        self._index = index
        self._skipped: list[Skipped] = []

    async def run(self, files: dict[str, Path]) -> IndexOut:
        before = await self._store.documents(self._index)
        removed = before.keys() - files.keys()
        counts = {"added": 0, "changed": 0, "unchanged": 0}
        for place, (name, path) in enumerate(files.items()):
            self._ctx.progress(place / len(files), name)
            self._ctx.heartbeat(file=name)
            try:
                data = await asyncio.to_thread(file_bytes, path, name)
                sha256 = hashlib.sha256(data).hexdigest()
                if name in before and before[name].sha256 == sha256:
                    counts["unchanged"] += 1
                    continue
                await self._add(name, data, sha256)
            except Refused as error:
                if error.code == "extra_missing":
                    raise
                self._skipped.append(Skipped(path=name, why=str(error)))
                removed |= before.keys() & {name}
            else:
                counts["changed" if name in before else "added"] += 1
        await self._store.remove([before[name] for name in removed])
        return await self._summary(counts, len(removed))

    async def _add(self, name: str, data: bytes, sha256: str) -> None:
        text = await asyncio.to_thread(text_of, data, name)
        passages = split(text, characters=self._input.characters, overlap=self._input.overlap)
        if not passages:
            raise Refused("file_unreadable", f"{name} holds no text")
        await self._store.replace(
            self._index,
            name,
            sha256=sha256,
            characters=len(text),
            passages=passages,
            embeddings=await self._embeds.embed([_spoken(passage) for passage in passages]),
        )

    async def _summary(self, counts: dict[str, int], removed: int) -> IndexOut:
        passages = await self._store.count(self._index)
        if not passages:
            whys = "; ".join(skipped.why for skipped in self._skipped[:3])
            raise Refused("folder_empty", f"none of the files in {self._input.folder} holds text: {whys}")
        large = passages > self._input.hnsw_above and self._index.dimensions <= MAX_HNSW_DIMENSIONS
        if large:
            await self._store.order(self._index)
        documents = sum(counts.values())
        self._ctx.log.info("folder indexed", documents=documents, passages=passages, skipped=len(self._skipped))
        return IndexOut(
            index=self._input.index,
            documents=documents,
            passages=passages,
            removed=removed,
            skipped=self._skipped,
            search="hnsw" if large else "exact",
            **counts,
        )


class SearchIn(BaseModel):
    """A question to an index.

    Attributes:
        question: a sentence or some words.
        index: its name.
        limit: passages at the most.
        embeddings: must be what the index was made with.
    """

    question: str = Field(min_length=1, max_length=8_000)
    index: str = Field(default="default", min_length=1)
    limit: int = Field(default=6, ge=1, le=200)
    embeddings: EmbeddingChoice = EmbeddingChoice()


class Hit(Passage):
    """A passage that was found; `start` and `end` are offsets in the document's text.

    Attributes:
        number: counts from 1, to be cited by.
        document: its path in the indexed folder.
        score: Σ 1 / (60 + rank) of both ranks; comparable within one search only.
        word_rank: its place among the passages with words of the question; None where it has none that count.
        meaning_rank: its place among the passages that are nearest in meaning; None where it is not among them.
    """

    number: int
    document: str
    score: float
    word_rank: int | None
    meaning_rank: int | None


class SearchOut(BaseModel):
    """The best passages first."""

    hits: list[Hit]


@worker("retrieval.search", pool="retrieval", timeout="60s", retry_on=LOST)
async def search(input: SearchIn, ctx: Context, store: Store) -> SearchOut:
    """Find the passages of an index that share words with a question or are near to it in meaning.

    Raises:
        Refused: `index_missing`, `embeddings_differ`, `extra_missing`.
    """
    index = await store.find(input.index)
    if index.model != input.embeddings.name:
        raise Refused(
            "embeddings_differ",
            f"the index {input.index!r} was made with {index.model}, and the question would be embedded by "
            f"{input.embeddings.name}: give both steps the same `embeddings`",
        )
    (embedding,) = await embedder(input.embeddings, ctx).embed([input.question])
    candidates = max(CANDIDATES, 2 * input.limit)
    rows = await store.search(index, input.question, embedding, candidates=candidates, limit=input.limit)
    return SearchOut(hits=[_hit(number, row) for number, row in enumerate(rows, start=1)])


def _spoken(passage: Passage) -> str:
    """What is embedded of a passage: its heading tells what it is about."""
    if not passage.heading or passage.heading in passage.text:
        return passage.text
    return f"{passage.heading}\n{passage.text}"


def _hit(number: int, row: asyncpg.Record) -> Hit:
    return Hit(
        number=number,
        document=row["path"],
        start=row["start"],
        end=row["stop"],
        heading=row["heading"],
        page=row["page"],
        text=row["body"],
        score=round(float(row["score"]), 6),
        word_rank=row["word_rank"],
        meaning_rank=row["meaning_rank"],
    )
