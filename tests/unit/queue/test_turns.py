"""Many consumers take turns: few look, none is forgotten."""

import asyncio

from orchestrator.queue.turns import FEW, Turns


def turns_of(crowd):
    looks = []
    return Turns(lambda: crowd, looks.append), looks


async def test_a_few_look_at_once():
    turns, looks = turns_of(FEW)
    turns.notice("a")
    assert looks == ["a"]


async def test_many_wait_for_their_turn_and_then_look():
    turns, looks = turns_of(20)
    turns.notice("a")
    assert looks == []
    turns.notice("b")
    await asyncio.sleep(0.1)
    assert looks == ["b"], "one look for both"


async def test_who_hears_that_the_queue_is_empty_does_not_look():
    turns, looks = turns_of(50)
    turns.notice("a")
    turns.emptied("a")
    await asyncio.sleep(0.15)
    assert looks == []


async def test_word_of_before_the_latest_notification_saves_no_look():
    turns, looks = turns_of(50)
    turns.notice("a")
    turns.notice("b")
    turns.emptied("a")
    await asyncio.sleep(0.15)
    assert looks == ["b"]


async def test_a_crowd_that_has_become_small_looks_at_once():
    crowd = 50
    looks = []
    turns = Turns(lambda: crowd, looks.append)
    turns.notice("a")
    crowd = 1
    turns.notice("b")
    assert looks == ["b"]
    await asyncio.sleep(0.15)
    assert looks == ["b"]
