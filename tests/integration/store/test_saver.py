"""The checkpoint saver: exact, fenced when asked, and fit for anybody's graph."""

import asyncio
import threading
from collections.abc import Sequence
from operator import add
from typing import Annotated, Any, TypedDict

import asyncpg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, interrupt

from orchestrator.domain.identity import new_process_id
from orchestrator.errors import Fenced
from orchestrator.store import AsyncpgSaver, Database, runs
from tests.integration.store.scene import Scene

DEAD_AFTER = 5.0


def extend(state: list[int], batches: Sequence[list[int]]) -> list[int]:
    return [*state, *(value for batch in batches for value in batch)]


class State(TypedDict):
    count: int
    plain: Annotated[list[str], add]
    seen: Annotated[list[int], DeltaChannel(extend, snapshot_frequency=5)]


def counting(saver: BaseCheckpointSaver[str], rounds: int) -> Any:
    """A graph that goes round and round, with a delta channel that is snapshotted every five rounds."""

    async def step(state: State) -> dict[str, Any]:
        update: dict[str, Any] = {"count": state["count"] + 1, "seen": [state["count"]]}
        return update if state["count"] else update | {"plain": ["a\0"]}

    graph = StateGraph(State)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["count"] < rounds else END)
    return graph.compile(checkpointer=saver)


def thread(name: str = "t", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": name, **more}, "recursion_limit": 1000}


@pytest.fixture
async def saver(database: Database) -> AsyncpgSaver:
    return AsyncpgSaver(database)


async def test_a_graph_runs_and_its_whole_history_can_be_read(saver: AsyncpgSaver) -> None:
    graph = counting(saver, 23)
    result = await graph.ainvoke({"count": 0, "plain": ["x"], "seen": []}, thread())
    assert result == {"count": 23, "plain": ["x", "a\0"], "seen": list(range(23))}
    history = [snapshot async for snapshot in graph.aget_state_history(thread())]
    assert len(history) == 25
    for snapshot in history[:-1]:
        assert snapshot.values["seen"] == list(range(snapshot.values["count"]))


async def test_one_query_walks_what_the_base_class_walks_one_by_one(saver: AsyncpgSaver) -> None:
    await counting(saver, 13).ainvoke({"count": 0, "plain": [], "seen": [7]}, thread())
    checked = 0
    async for found in saver.alist(thread()):
        ours = await saver.aget_delta_channel_history(config=found.config, channels=["seen", "plain", "no"])
        plain = await BaseCheckpointSaver.aget_delta_channel_history(
            saver, config=found.config, channels=["seen", "plain", "no"]
        )
        assert ours == plain
        checked += 1
    assert checked == 15
    latest = await saver.aget_delta_channel_history(config=thread(), channels=["seen"])
    assert [value for _, _, values in latest["seen"]["writes"] for value in values][-1] == 12
    assert await saver.aget_delta_channel_history(config=thread("no"), channels=["seen"]) == {"seen": {"writes": []}}
    assert await saver.aget_delta_channel_history(config=thread(), channels=[]) == {}


async def test_pruning_keeps_what_delta_channels_are_made_of(saver: AsyncpgSaver, database: Database) -> None:
    graph = counting(saver, 23)
    await graph.ainvoke({"count": 0, "plain": ["x"], "seen": []}, thread())
    await graph.ainvoke({"count": 20}, thread("other"))
    before = (await graph.aget_state(thread())).values
    stored = "SELECT (SELECT count(*) FROM checkpoints WHERE thread_id = 't'), (SELECT count(*) FROM checkpoint_blobs)"
    checkpoints, blobs = await database.fetchrow(stored) or (0, 0)
    await saver.aprune(["t"])
    assert (await graph.aget_state(thread())).values == before
    kept, kept_blobs = await database.fetchrow(stored) or (0, 0)
    assert kept <= 6 < checkpoints
    assert kept_blobs < blobs
    again = await graph.ainvoke({"count": 22}, thread())
    assert again["seen"] == [*range(23), 22]
    assert (await graph.ainvoke({"count": 22}, thread("other")))["seen"] == [20, 21, 22, 22]
    with pytest.raises(ValueError, match="keep_some"):
        await saver.aprune(["t"], strategy="keep_some")


async def test_a_copied_thread_goes_on_by_itself(saver: AsyncpgSaver) -> None:
    graph = counting(saver, 8)
    await graph.ainvoke({"count": 0, "plain": [], "seen": []}, thread("from"))
    await saver.acopy_thread("from", "to")
    await saver.adelete_thread("from")
    assert (await graph.aget_state(thread("to"))).values["seen"] == list(range(8))
    assert await saver.aget_tuple(thread("from")) is None


async def test_an_interrupted_graph_resumes(saver: AsyncpgSaver) -> None:
    def ask(state: State) -> dict[str, Any]:
        return {"seen": Overwrite([interrupt("how many?")])}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    graph = builder.compile(checkpointer=saver)
    paused = await graph.ainvoke({"count": 0, "plain": [], "seen": [1]}, thread())
    assert [question.value for question in paused["__interrupt__"]] == ["how many?"]
    assert (await graph.ainvoke(Command(resume=9), thread()))["seen"] == [9]


async def test_forks_of_a_thread_do_not_share_values(saver: AsyncpgSaver) -> None:
    graph = counting(saver, 3)
    await graph.ainvoke({"count": 0, "plain": ["x"], "seen": []}, thread())
    first = [snapshot async for snapshot in graph.aget_state_history(thread())][-2]
    left = await graph.aupdate_state(first.config, {"plain": ["left"]})
    right = await graph.aupdate_state(first.config, {"plain": ["right"]})
    assert (await graph.aget_state(left)).values["plain"] == ["x", "left"]
    assert (await graph.aget_state(right)).values["plain"] == ["x", "right"]


async def test_an_unchanged_value_is_stored_once(saver: AsyncpgSaver, database: Database) -> None:
    await counting(saver, 30).ainvoke({"count": 0, "plain": ["x" * 10_000], "seen": []}, thread())
    assert await database.fetchval("SELECT count(*) FROM checkpoint_blobs WHERE channel = 'plain'") <= 3


async def test_listing_goes_over_pages(saver: AsyncpgSaver) -> None:
    await counting(saver, 230).ainvoke({"count": 0, "plain": [], "seen": []}, thread())
    ids = [found.config["configurable"]["checkpoint_id"] async for found in saver.alist(thread())]
    assert len(ids) == 232
    assert ids == sorted(set(ids), reverse=True)
    some = [found.config["configurable"]["checkpoint_id"] async for found in saver.alist(thread(), limit=150)]
    assert some == ids[:150]
    assert [found async for found in saver.alist(thread(), limit=0)] == []


async def owned(scene: Scene) -> int:
    ownership = await runs.take_ownership(scene.database, scene.run_id, new_process_id(), DEAD_AFTER)
    assert ownership is not None
    return ownership.epoch


async def test_an_epoch_lets_only_the_owner_write(scene: Scene) -> None:
    saver = AsyncpgSaver(scene.database)
    old, new = await owned(scene), await owned(scene)
    checkpoint = empty_checkpoint()
    mine = thread(str(scene.run_id), checkpoint_ns="", epoch=new)
    stored = await saver.aput(mine, checkpoint, {}, {})
    stored["configurable"]["epoch"] = new
    await saver.aput_writes(stored, [("a", 1)], "task")
    stored["configurable"]["epoch"] = old
    with pytest.raises(Fenced):
        await saver.aput(stored, empty_checkpoint(), {}, {})
    with pytest.raises(Fenced):
        await saver.aput_writes(stored, [("b", 2)], "task")
    found = await saver.aget_tuple(thread(str(scene.run_id)))
    assert found is not None
    assert (found.checkpoint["id"], found.pending_writes) == (checkpoint["id"], [("task", "a", 1)])


async def test_a_fenced_graph_stops_when_its_run_is_taken_over(scene: Scene) -> None:
    epoch = await owned(scene)
    taken = asyncio.Event()

    async def step(state: State) -> dict[str, Any]:
        if state["count"] == 3:
            await owned(scene)
            taken.set()
        return {"count": state["count"] + 1}

    builder = StateGraph(State)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", lambda state: "step" if state["count"] < 100 else END)
    graph = builder.compile(checkpointer=AsyncpgSaver(scene.database))
    with pytest.raises(Fenced):
        await graph.ainvoke({"count": 0}, thread(str(scene.run_id), epoch=epoch), durability="sync")
    assert taken.is_set()
    assert (await graph.aget_state(thread(str(scene.run_id)))).values["count"] == 3


async def test_the_synchronous_methods_work_from_another_thread(saver: AsyncpgSaver) -> None:
    graph = counting(saver, 3)
    await graph.ainvoke({"count": 0, "plain": [], "seen": []}, thread())

    def elsewhere() -> tuple[int, int]:
        assert threading.current_thread() is not threading.main_thread()
        found = saver.get_tuple(thread())
        assert found is not None
        saver.put_writes(found.config, [("a", 1)], "task")
        count = len(list(saver.list(thread())))
        saver.copy_thread("t", "u")
        saver.prune(["u"])
        saver.delete_thread("u")
        return count, len(graph.get_state(thread()).values["seen"])

    assert await asyncio.to_thread(elsewhere) == (5, 3)
    with pytest.raises(asyncio.InvalidStateError, match="aget_tuple"):
        saver.get_tuple(thread())


async def test_it_works_in_an_empty_database_over_anybodys_pool(empty_database_url: str) -> None:
    async with asyncpg.create_pool(empty_database_url, min_size=1, max_size=2) as pool:
        saver = AsyncpgSaver(pool)
        await asyncio.gather(saver.setup(), saver.setup())
        result = await counting(saver, 3).ainvoke({"count": 0, "plain": [], "seen": []}, thread())
        assert result["seen"] == [0, 1, 2]
        assert await pool.fetchval("SELECT to_regclass('orchestrator.runs')") is None


async def test_another_serializer_is_used_for_everything_stored_apart(database: Database) -> None:
    class Marked:
        def dumps_typed(self, value: Any) -> tuple[str, bytes]:
            return "marked", repr(value).encode()

        def loads_typed(self, data: tuple[str, bytes]) -> Any:
            assert data[0] == "marked"
            return eval(data[1].decode())

    saver = AsyncpgSaver(database, serde=Marked())  # type: ignore[arg-type]
    checkpoint = {**empty_checkpoint(), "channel_values": {"c": [1]}, "channel_versions": {"c": "1"}}
    config = await saver.aput(thread(checkpoint_ns=""), checkpoint, {}, {"c": "1"})  # type: ignore[arg-type]
    await saver.aput_writes(config, [("c", {"a": 2})], "task")
    found = await saver.aget_tuple(config)
    assert found is not None
    assert (found.checkpoint["channel_values"], found.pending_writes) == ({"c": [1]}, [("task", "c", {"a": 2})])
