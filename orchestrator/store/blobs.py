"""JSON values, stored once by content within a tenant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.domain.payload import Payload, PayloadRef
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Connection, Database


async def put_blobs(connection: Connection, tenant: str, payloads: Sequence[Payload]) -> None:
    """Store values. One that was put within the last hour is not touched, an older one is marked as fresh.

    Args:
        connection: in the caller's transaction, which has taken its locks on attempts before.
        tenant: whose values they are.
        payloads: in any order, also repeated.
    """
    if payloads:
        await connection.execute(query("put_blobs"), tenant, *blob_columns(payloads))


def blob_columns(payloads: Iterable[Payload]) -> tuple[list[bytes], list[bytes]]:
    """Digests and bytes, each value once, in the order in which everybody locks them."""
    unique = sorted({payload.ref.sha256: payload for payload in payloads}.items())
    return [bytes.fromhex(sha256) for sha256, _ in unique], [payload.data for _, payload in unique]


async def get_blobs(database: Database, tenant: str, refs: Iterable[PayloadRef | str]) -> dict[str, bytes]:
    """The bytes of stored values by their digest in hex; what is not stored is absent."""
    wanted = {ref if isinstance(ref, str) else ref.sha256 for ref in refs}
    if not wanted:
        return {}
    digests = [bytes.fromhex(sha256) for sha256 in wanted]
    records = await database.fetch(query("get_blobs"), tenant, digests)
    return {record["sha256"].hex(): record["data"] for record in records}
