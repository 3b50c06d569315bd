"""Steps, verdicts, effects, cards, spans, blobs, processes: what goes in comes out."""

import asyncio
from dataclasses import replace

import pytest

from orchestrator.domain.identity import new_process_id
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import Payload
from orchestrator.domain.span import SpanEvent, SpanRow
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import WorkerCard, WorkerKind
from orchestrator.errors import Fenced
from orchestrator.store import Database, attempts, blobs, effects, processes, spans, steps, verdicts, workers
from orchestrator.store.superstep import write_superstep
from tests.integration.store.scene import Scene

NOON = 1_760_000_000.5
DAY = 86_400.0


async def test_steps_are_replaced_and_listed_in_the_order_of_the_file(scene: Scene) -> None:
    last = steps.StepRow(scene.run_id, "a_last", "acme", 1, "agent", "waiting")
    first = steps.StepRow(
        scene.run_id,
        "z_first",
        "acme",
        0,
        "worker",
        "failed",
        worker="w",
        pool="p",
        reason="because\0",
        items_total=4,
        items_done=3,
        items_failed=1,
        attempts=5,
        output="ab" * 32,
        error=ErrorInfo("c", "error", "m"),
        started_at=NOON,
        finished_at=NOON + 1,
    )
    await write_superstep(scene.database, await scene.superstep(steps=[last, first]))
    await write_superstep(
        scene.database, await scene.superstep(steps=[replace(last, status="running", started_at=NOON)])
    )
    await write_superstep(scene.database, await scene.superstep())
    assert await steps.list_steps(scene.database, scene.run_id, tenant="acme") == [
        replace(first, reason="because\ufffd"),
        replace(last, status="running", started_at=NOON),
    ]


async def test_verdicts_are_kept_once_for_each_validator(scene: Scene) -> None:
    claimed = await scene.claimed()
    given = [Verdict(False, "too few", "cited", 0.5, {"found": 1}), Verdict(True, validator="schema")]
    for _ in range(2):
        await write_superstep(
            scene.database, await scene.superstep(verdicts=[(claimed.order.id, verdict) for verdict in given])
        )
    rows = await verdicts.list_verdicts(scene.database, scene.run_id, tenant="acme")
    assert [(row.validator, row.passed, row.message, row.score, row.evidence) for row in rows] == [
        ("cited", False, "too few", 0.5, {"found": 1}),
        ("schema", True, "", None, None),
    ]
    assert {row.attempt_id for row in rows} == {claimed.order.id}


async def test_an_effect_happens_once(scene: Scene) -> None:
    first = await scene.claimed()
    assert await effects.claim_effect(scene.database, first, "charge") == effects.EffectRow("new")
    assert await effects.claim_effect(scene.database, first, "charge") == effects.EffectRow("in_doubt")
    await scene.succeed(first)
    second = await scene.claimed(number=2)
    assert await effects.claim_effect(scene.database, second, "charge") == effects.EffectRow("in_doubt")
    assert not await effects.confirm_effect(scene.database, second, "charge", {"id": 2})
    assert await effects.confirm_effect(scene.database, first, "charge", {"id": 1})
    confirmed = effects.EffectRow("confirmed", {"id": 1})
    assert await effects.claim_effect(scene.database, second, "charge") == confirmed
    assert await effects.claim_effect(scene.database, second, "other") == effects.EffectRow("new")


async def test_an_attempt_that_is_not_held_any_more_must_not_begin_an_effect(scene: Scene) -> None:
    claimed = await scene.claimed(lease=-1.0)
    await attempts.expire_leases(scene.database, 10)
    with pytest.raises(Fenced):
        await effects.claim_effect(scene.database, claimed, "charge")


async def test_of_two_items_each_has_its_own_effects(scene: Scene) -> None:
    a, b = await scene.claimed(item=0), await scene.claimed(item=1)
    states = await asyncio.gather(*(effects.claim_effect(scene.database, claimed, "k") for claimed in (a, b)))
    assert [row.state for row in states] == ["new", "new"]


async def test_cards_are_published_and_replaced(database: Database) -> None:
    card = WorkerCard("a.b", pool="p", input_schema={"type": "object"}, timeout=60.0, concurrency=2)
    judge = WorkerCard("a.judge", WorkerKind.VALIDATOR, process=True)
    await workers.publish_cards(database, [judge, card])
    await workers.publish_cards(database, [])
    assert await workers.read_cards(database) == {"a.b": card, "a.judge": judge}
    changed = replace(card, output_schema={"type": "string"})
    await asyncio.gather(*(workers.publish_cards(database, [changed, judge]) for _ in range(4)))
    read = await workers.read_cards(database)
    assert (read["a.b"].output_schema, read["a.b"].input_schema) == ({"type": "string"}, {"type": "object"})


async def test_a_card_of_a_newer_version_is_read_as_far_as_it_is_known(database: Database) -> None:
    await workers.publish_cards(database, [WorkerCard("a.b", pool="p", memory_mb=512)])
    await database.execute("""UPDATE workers SET card = card || '{"invented": "later"}'""")
    assert (await workers.read_cards(database))["a.b"] == WorkerCard("a.b", pool="p", memory_mb=512)
    await database.execute("UPDATE workers SET card = card - 'memory_mb'")
    assert (await workers.read_cards(database))["a.b"].memory_mb is None


def span(scene: Scene, number: int, started_at: float) -> SpanRow:
    return SpanRow(
        started_at=started_at,
        trace_id=scene.run_id.hex,
        span_id=f"{number:016x}",
        parent_id=f"{number - 1:016x}" if number else None,
        tenant="acme",
        run_id=scene.run_id,
        attempt_id=None,
        name=f"chat {number}",
        kind="client",
        ended_at=started_at + 0.25,
        status="error",
        status_message="it\0broke",
        attributes={"gen_ai.usage.input_tokens": 3},
        events=(SpanEvent("verdict", started_at, {"passed": False}),),
    )


async def test_spans_of_several_days_by_several_writers(scene: Scene, database_url: str) -> None:
    written = [span(scene, day, NOON + day * DAY) for day in range(3)]
    others = [await Database.connect(database_url, size=1) for _ in range(3)]
    await asyncio.gather(*(spans.insert_spans(database, written) for database in (scene.database, *others)))
    await spans.insert_spans(scene.database, written)
    await spans.insert_spans(scene.database, [])
    read = await spans.list_spans(scene.database, scene.run_id, tenant="acme")
    assert read == [replace(row, status_message="it\ufffdbroke") for row in written]
    assert read[0].attributes == written[0].attributes
    for database in others:
        await database.close()


async def test_a_value_is_stored_once_for_each_tenant(database: Database) -> None:
    small, large = Payload.of({"a": 1}), Payload.of("x" * 2_000_000)
    async with database.transaction() as connection:
        await blobs.put_blobs(connection, "acme", [large, small, large])
        await blobs.put_blobs(connection, "acme", [small])
        await blobs.put_blobs(connection, "acme", [])
    stored = await blobs.get_blobs(database, "acme", [small.ref, large.ref.sha256, "00" * 32])
    assert stored == {small.ref.sha256: small.data, large.ref.sha256: large.data}
    assert await blobs.get_blobs(database, "other", [small.ref]) == {}
    assert await blobs.get_blobs(database, "acme", []) == {}


async def test_a_value_that_is_put_again_after_an_hour_is_fresh(database: Database) -> None:
    payload = Payload.of([1])
    for age in ("30 minutes", "2 hours"):
        async with database.transaction() as connection:
            await blobs.put_blobs(connection, "acme", [payload])
            await connection.execute("UPDATE blobs SET put_at = now() - $1::text::interval", age)
    async with database.transaction() as connection:
        await blobs.put_blobs(connection, "acme", [payload])
    assert await database.fetchval("SELECT now() - put_at < interval '1 minute' FROM blobs")


async def test_processes_register_beat_and_go(database: Database) -> None:
    process = new_process_id()
    assert not await processes.beat(database, process)
    await processes.register(database, process, "worker", {"b", "a"})
    assert await processes.beat(database, process)
    (row,) = await processes.list_processes(database)
    assert (row.id, row.kind, row.pools) == (process, "worker", ["a", "b"])
    await processes.unregister(database, process)
    assert await processes.list_processes(database) == []
