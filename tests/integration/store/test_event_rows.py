"""Events: appended once by key, and no reader misses one that commits late."""

from orchestrator.domain.event import Event
from orchestrator.store import events
from tests.integration.store.scene import Scene


def note(scene: Scene, n: int, key: str = "") -> Event:
    return Event(scene.run_id, "acme", "attempt.log", "fetch", data={"n": n}, key=key)


async def append(scene: Scene, *notes: Event) -> None:
    async with scene.database.transaction() as connection:
        await events.append_events(connection, notes)


async def test_events_come_in_order_and_page_by_page(scene: Scene) -> None:
    await append(scene, note(scene, 0), note(scene, 1))
    await append(scene, note(scene, 2))
    cursor, seen = events.EventCursor(), []
    while True:
        page, cursor = await events.read_events(scene.database, scene.run_id, tenant="acme", after=cursor, limit=2)
        if not page:
            break
        assert len(page) <= 2
        seen += [stored.event.data["n"] for stored in page]
    assert seen == [0, 1, 2]


async def test_an_event_reads_back_whole(scene: Scene) -> None:
    event = Event(scene.run_id, "acme", "verdict", "fetch", 3, scene.order().id, {"passed": True}, "k")
    await append(scene, event)
    ((stored,), _) = await events.read_events(scene.database, scene.run_id, tenant="acme")
    assert stored.event == event
    assert stored.event.data == {"passed": True}
    assert stored.at > 1_600_000_000


async def test_a_key_makes_repetition_harmless_and_no_key_does_not(scene: Scene) -> None:
    for _ in range(2):
        await append(scene, note(scene, 1, "once"), note(scene, 2))
    read, _ = await events.read_events(scene.database, scene.run_id, tenant="acme")
    assert sorted(stored.event.data["n"] for stored in read) == [1, 2, 2]


async def test_an_event_that_commits_late_is_not_missed(scene: Scene) -> None:
    async with scene.database.transaction() as slow:
        await events.append_events(slow, [note(scene, 1)])
        await append(scene, note(scene, 2))
        page, cursor = await events.read_events(scene.database, scene.run_id, tenant="acme")
        assert page == []
    page, cursor = await events.read_events(scene.database, scene.run_id, tenant="acme", after=cursor)
    assert [stored.event.data["n"] for stored in page] == [1, 2]
    assert await events.read_events(scene.database, scene.run_id, tenant="acme", after=cursor) == ([], cursor)


async def test_events_come_in_the_order_of_numbers_where_a_transaction_has_a_digit_more(scene: Scene) -> None:
    for n, xact in enumerate(("9", "10")):
        await append(scene, note(scene, n))
        newest = "UPDATE events SET xact = $1::text::xid8 WHERE id = (SELECT max(id) FROM events)"
        await scene.database.execute(newest, xact)
    read, _ = await events.read_events(scene.database, scene.run_id, tenant="acme", ended=True)
    assert [stored.event.data["n"] for stored in read] == [0, 1]
