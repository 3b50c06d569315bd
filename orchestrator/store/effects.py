"""The effect ledger: an effect is claimed before it happens and confirmed after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.errors import Fenced
from orchestrator.store.jsonb import from_jsonb, to_jsonb
from orchestrator.store.queries import query

if TYPE_CHECKING:
    from orchestrator.store.database import Database


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What the ledger says of an effect.

    Attributes:
        state: `new`: do it now; `confirmed`: it has happened, with `result`; `in_doubt`: it was begun and never
            confirmed, so it may or may not have happened.
        result: plain JSON, as it was confirmed.
    """

    state: Literal["new", "confirmed", "in_doubt"]
    result: Any = None


async def claim_effect(database: Database, claimed: ClaimedAttempt, key: str) -> EffectRow:
    """Enter an effect of the attempt's step and item, or find what an earlier claim has come to.

    Raises:
        Fenced: the attempt is not held any more, so it must not do anything.
    """
    order = claimed.order
    async with database.transaction() as connection:
        if await connection.fetchval(query("lock_held"), order.id, claimed.token) is None:
            raise Fenced(f"attempt {order.id} is no longer held")
        place = (order.run_id, order.step, order.item, key)
        if await connection.fetchval(query("claim_effect"), *place, order.tenant, order.id) is not None:
            return EffectRow("new")
        record = await connection.fetchrow(query("get_effect"), *place)
    if record is None or record["state"] != "confirmed":
        return EffectRow("in_doubt")
    return EffectRow("confirmed", from_jsonb(record["result"]))


async def confirm_effect(database: Database, claimed: ClaimedAttempt, key: str, result: Any = None) -> bool:
    """Record that an effect has happened: also when the attempt is not held any more, because it is true.

    Args:
        database: where the ledger is.
        claimed: the attempt that claimed it.
        key: as it was claimed.
        result: plain JSON, for whoever claims it again.

    Returns:
        False if this attempt has not claimed it.
    """
    order = claimed.order
    done = await database.fetchval(
        query("confirm_effect"), order.run_id, order.step, order.item, key, order.id, to_jsonb(result)
    )
    return done is not None
