"""Payloads by reference, through a cache that is bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from orchestrator.domain.payload import Payload, PayloadRef, decode
from orchestrator.errors import NotFound
from orchestrator.store import Database, blobs

CACHE_BYTES = 64_000_000


class Payloads:
    """Reads stored JSON values. They are shared between runs, so whoever gets one must not change it."""

    def __init__(self, database: Database, limit: int = CACHE_BYTES) -> None:
        self._database = database
        self._limit = limit
        self._held: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    async def values(self, tenant: str, refs: Iterable[PayloadRef]) -> dict[str, Any]:
        """The values of `refs`, by sha256.

        Raises:
            NotFound: a payload is not stored, which means that it was swept although something still needs it.
        """
        wanted = {ref.sha256: ref for ref in refs}
        found = {sha: self._touch(tenant, sha) for sha in wanted if (tenant, sha) in self._held}
        missing = [sha for sha in wanted if sha not in found]
        if missing:
            stored = await blobs.get_blobs(self._database, tenant, missing)
            for sha in missing:
                if sha not in stored:
                    raise NotFound(f"payload {sha[:12]} is not stored any more")
                found[sha] = decode(stored[sha])
                self._keep(tenant, sha, found[sha], len(stored[sha]))
        return found

    async def value(self, tenant: str, ref: PayloadRef) -> Any:
        """The value of one reference."""
        return (await self.values(tenant, [ref]))[ref.sha256]

    def remember(self, tenant: str, payload: Payload, value: Any) -> None:
        """Keep a value that is about to be stored, so that it need not be read back."""
        if (tenant, payload.ref.sha256) not in self._held:
            self._keep(tenant, payload.ref.sha256, value, payload.ref.size)

    def _touch(self, tenant: str, sha: str) -> Any:
        self._held.move_to_end((tenant, sha))
        return self._held[tenant, sha][0]

    def _keep(self, tenant: str, sha: str, value: Any, size: int) -> None:
        if size > self._limit:
            return
        self._held[tenant, sha] = (value, size)
        self._bytes += size
        while self._bytes > self._limit:
            _, (_, freed) = self._held.popitem(last=False)
            self._bytes -= freed
