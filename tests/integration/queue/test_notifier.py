"""Wake-ups are coalesced, split below the limit of a payload, and may be lost without harm."""

import asyncpg

from orchestrator.domain.identity import new_process_id, new_run_id
from orchestrator.queue import Notifier, process_channel, read_runs


async def test_what_gathers_goes_in_as_few_payloads_as_fit(pool, listener, until):
    owner = new_process_id()
    payloads = []
    await listener.listen(process_channel(owner), payloads.append)
    runs = [new_run_id() for _ in range(500)]
    async with Notifier(pool) as notifier:
        for run_id in runs * 2:
            notifier.wake_run(owner, run_id)
    await until(lambda: len(payloads) == 3)
    assert [run_id for payload in payloads for run_id in read_runs(payload)] == runs
    assert max(len(payload) for payload in payloads) < 8000


async def test_every_owner_hears_of_its_own_runs(pool, listener, until):
    heard = {}
    owners = {new_process_id(): new_run_id() for _ in range(3)}
    for owner in owners:
        await listener.listen(
            process_channel(owner), lambda payload, owner=owner: heard.update({owner: read_runs(payload)})
        )
    async with Notifier(pool) as notifier:
        for owner, run_id in owners.items():
            notifier.wake_run(owner, run_id)
    await until(lambda: len(heard) == 3)
    assert heard == {owner: [run_id] for owner, run_id in owners.items()}


async def test_what_comes_during_a_flush_is_sent_too(pool, listener, until):
    owner, first, second = new_process_id(), new_run_id(), new_run_id()
    heard = []
    await listener.listen(process_channel(owner), lambda payload: heard.extend(read_runs(payload)))
    async with Notifier(pool) as notifier:
        notifier.wake_run(owner, first)
        await until(lambda: heard == [first])
        notifier.wake_run(owner, second)
        await until(lambda: heard == [first, second])


async def test_a_channel_is_woken_once_a_flush(pool, listener, until):
    heard = []
    await listener.listen("somewhere", heard.append)
    await listener.listen("fence", heard.append)
    async with Notifier(pool) as notifier:
        for _ in range(10):
            notifier.wake_channel("somewhere")
    async with Notifier(pool) as notifier:
        notifier.wake_channel("fence")
    await until(lambda: len(heard) >= 2)
    assert len(heard) == 2


async def test_a_lost_wake_up_is_logged_and_forgotten(database_url, caplog):
    gone = await asyncpg.create_pool(database_url, min_size=1, max_size=1)
    await gone.close()
    async with Notifier(gone) as notifier:
        notifier.wake_run(new_process_id(), new_run_id())
    assert "1 notifications were not sent" in caplog.text
