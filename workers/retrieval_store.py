"""The tables of the retrieval workers: one connection, and every statement that reads or writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from orchestrator import Context
from workers.failures import Refused
from workers.passages import Passage

MAX_HNSW_DIMENSIONS = 2_000
"""pgvector indexes vectors of so many dimensions at the most; longer ones are always compared one by one."""

_SCHEMA = Path(__file__).with_name("retrieval_schema.sql")
_SEARCH = Path(__file__).with_name("retrieval_search.sql")
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('retrieval.schema'))"


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An index as it is stored."""

    id: int
    model: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as it was indexed."""

    id: int
    sha256: str


async def connection_of(ctx: Context) -> AsyncIterator[RetrievalStore]:
    """A connection of this attempt's own to the project's database; a dependency of the retrieval workers."""
    connection = await asyncpg.connect(ctx.database_url, server_settings={"application_name": "retrieval"})
    try:
        yield RetrievalStore(connection, ctx.tenant)
    finally:
        await connection.close(timeout=5)


class RetrievalStore:
    """What the retrieval workers keep in Postgres, as far as one tenant may see it."""

    def __init__(self, connection: asyncpg.Connection[Any], tenant: str) -> None:
        self.connection = connection
        self._tenant = tenant

    async def prepare(self) -> None:
        """Make the schema where there is none.

        Raises:
            Refused: `vector_missing`: the server has no pgvector, or this user may not install it.
        """
        try:
            async with self.connection.transaction():
                await self.connection.execute(_LOCK)  # IF NOT EXISTS alone does not hold when two make it at once
                await self.connection.execute("SET LOCAL client_min_messages = warning")
                await self.connection.execute(_SCHEMA.read_text())
        except (asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFileError, asyncpg.UndefinedObjectError) as error:
            raise Refused(
                "vector_missing",
                f"this Postgres has no pgvector ({error}): install it on the server (postgresql-NN-pgvector), "
                "or unset ORCHESTRATOR_DATABASE_URL, as the embedded server has it",
            ) from error
        except asyncpg.InsufficientPrivilegeError as error:
            raise Refused(
                "vector_missing",
                f"this database user may not set up the retrieval tables ({error}): let an administrator run "
                "CREATE EXTENSION vector; CREATE SCHEMA retrieval AUTHORIZATION <user>;",
            ) from error

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Nobody else changes the index meanwhile; who comes second waits, and then finds the work done."""
        key = f"retrieval/{self._tenant}/{name}"
        await self.connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", key)
        try:
            yield
        finally:
            if not self.connection.is_closed():
                await self.connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)

    async def find(self, name: str) -> IndexRow:
        """The tenant's index of that name.

        Raises:
            Refused: `index_missing`.
        """
        sql = "SELECT id, model, dimensions FROM retrieval.indexes WHERE tenant = $1 AND name = $2"
        try:
            row = await self.connection.fetchrow(sql, self._tenant, name)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            row = None
        if row is None:
            raise Refused("index_missing", f"there is no index {name!r}; make it with retrieval.index_folder")
        return IndexRow(*row)

    async def open(self, name: str, *, model: str, dimensions: int, language: str, splitting: str) -> IndexRow:
        """The index of that name, made where there is none, and emptied where it was made in another way.

        Raises:
            Refused: `language_unknown`.
        """
        known = "SELECT 1 FROM pg_ts_config WHERE cfgname = $1 AND pg_ts_config_is_visible(oid)"
        if await self.connection.fetchval(known, language) is None:
            raise Refused("language_unknown", f"Postgres has no text search configuration {language!r}; try english")
        values = (self._tenant, name, model, dimensions, language, splitting)
        async with self.connection.transaction():
            other = await self.connection.fetchval(
                "DELETE FROM retrieval.indexes WHERE tenant = $1 AND name = $2 "
                "AND (model, dimensions, language, splitting) IS DISTINCT FROM ($3, $4, $5, $6) RETURNING id",
                *values,
            )
            if other is not None:
                await self.connection.execute(f"DROP INDEX IF EXISTS retrieval.passages_hnsw_{int(other)}")
            await self.connection.execute(
                "INSERT INTO retrieval.indexes (tenant, name, model, dimensions, language, splitting) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                *values,
            )
        return await self.find(name)

    async def documents(self, index: IndexRow) -> dict[str, DocumentRow]:
        """What was indexed, by path."""
        rows = await self.connection.fetch(
            "SELECT path, id, sha256 FROM retrieval.documents WHERE index_id = $1", index.id
        )
        return {row["path"]: DocumentRow(row["id"], row["sha256"]) for row in rows}

    async def remove(self, documents: Sequence[DocumentRow]) -> None:
        """Forget documents and their passages."""
        ids = [document.id for document in documents]
        await self.connection.execute("DELETE FROM retrieval.documents WHERE id = ANY($1)", ids)

    async def replace(
        self,
        index: IndexRow,
        path: str,
        *,
        sha256: str,
        characters: int,
        passages: Sequence[Passage],
        embeddings: Sequence[Sequence[float]],
    ) -> None:
        """Store a document with its passages, in place of an earlier one, in one transaction."""
        async with self.connection.transaction():
            await self.connection.execute(
                "DELETE FROM retrieval.documents WHERE index_id = $1 AND path = $2", index.id, path
            )
            document = await self.connection.fetchval(
                "INSERT INTO retrieval.documents (index_id, path, sha256, characters) "
                "VALUES ($1, $2, $3, $4) RETURNING id",
                index.id,
                path,
                sha256,
                characters,
            )
            await self.connection.executemany(
                """INSERT INTO retrieval.passages
                       (index_id, document_id, start, stop, heading, page, body, words, embedding)
                   SELECT $1, $2, $3, $4, $5, $6, $7,
                          setweight(to_tsvector(language::regconfig, $5), 'A') || to_tsvector(language::regconfig, $7),
                          $8::real[]::vector
                   FROM retrieval.indexes WHERE id = $1""",
                [
                    (index.id, document, each.start, each.end, each.heading, each.page, each.text, embedding)
                    for each, embedding in zip(passages, embeddings, strict=True)
                ],
            )

    async def count(self, index: IndexRow) -> int:
        """Passages of the index."""
        count: int = await self.connection.fetchval(
            "SELECT count(*) FROM retrieval.passages WHERE index_id = $1", index.id
        )
        return count

    async def order(self, index: IndexRow) -> None:
        """Give the index an HNSW index of its own, where it has none."""
        await self.connection.execute(
            f"CREATE INDEX IF NOT EXISTS passages_hnsw_{index.id} ON retrieval.passages "
            f"USING hnsw ((embedding::vector({index.dimensions})) vector_cosine_ops) WHERE index_id = {index.id}"
        )

    async def search(
        self, index: IndexRow, question: str, embedding: Sequence[float], *, candidates: int, limit: int
    ) -> list[asyncpg.Record]:
        """The best passages: path, start, stop, heading, page, body, word_rank, meaning_rank, score."""
        sql = _SEARCH.read_text().replace(":index", str(index.id)).replace(":dimensions", str(index.dimensions))
        async with self.connection.transaction():
            await self.connection.execute(f"SET LOCAL hnsw.ef_search = {min(max(candidates, 40), 1_000)}")
            return await self.connection.fetch(sql, question, list(embedding), candidates, limit)
