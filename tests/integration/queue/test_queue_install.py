"""Installing the queue is repeatable, and it keeps quiet inside transactions."""

import asyncpg

from orchestrator.queue import QUEUE_SETTINGS, Permit, enqueue_permits, install, wake


async def catalogue(connection):
    return await connection.fetch(
        """
        SELECT relname, relkind, relpersistence, reloptions FROM pg_class
        WHERE relnamespace = 'orchestrator'::regnamespace ORDER BY relname
        """
    )


async def test_it_installs_into_an_empty_database(empty_database_url):
    connection = await asyncpg.connect(empty_database_url)
    await install(connection)
    await enqueue_permits(connection, [Permit("test")])
    assert await connection.fetchval("SELECT entrypoint FROM orchestrator.pgqueuer") == "pool:test"
    await connection.close()


async def test_installing_again_changes_nothing(connection):
    before = await catalogue(connection)
    await install(connection)
    assert await catalogue(connection) == before


async def test_an_upgrade_leaves_the_trigger_silent(connection):
    await connection.execute("DROP INDEX orchestrator.pgqueuer_ep_ea_idx")
    await install(connection)
    assert await connection.fetchval("SELECT to_regclass('orchestrator.pgqueuer_ep_ea_idx') IS NOT NULL")
    assert await connection.fetch(
        "SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'orchestrator.pgqueuer'::regclass AND NOT tgisinternal"
    ) == [(b"D",)]


async def test_jobs_are_logged_to_disk_and_their_log_is_not(connection):
    persistence = {row["relname"]: row["relpersistence"] for row in await catalogue(connection)}
    assert persistence["pgqueuer"] == b"p"
    assert persistence["pgqueuer_log"] == b"u"


async def test_enqueueing_does_not_notify(connection, pool, listener, until):
    heard = []
    await listener.listen(QUEUE_SETTINGS.channel, lambda payload: heard.append("trigger"))
    await listener.listen("fence", lambda payload: heard.append("fence"))
    await enqueue_permits(connection, [Permit("test")])
    await connection.execute("DELETE FROM orchestrator.pgqueuer")
    await wake(pool, ["fence"])
    await until(lambda: "fence" in heard)
    assert heard == ["fence"]
