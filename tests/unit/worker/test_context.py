"""What a worker may ask and tell."""

from __future__ import annotations

import asyncio
import threading

import pytest
from langchain_core.language_models import FakeListChatModel

from orchestrator.domain.identity import new_run_id
from orchestrator.domain.outcome import Usage
from orchestrator.errors import InDoubt, ModelUnavailable
from orchestrator.worker import Context
from orchestrator.worker.context import Assignment
from orchestrator.worker.failures import EffectUnconfirmed
from orchestrator.worker.journal import Journal
from orchestrator.worker.trial import MemoryLedger


class Counting:
    """Models that report what they used."""

    def __init__(self):
        self.opened = 0

    async def chat(self, tier, *, on_usage, capture=True, price_cap_usd=None):
        self.opened += 1
        on_usage(Usage(1, 2, 0.5, 1))
        return FakeListChatModel(responses=[f"{tier} says hello"])


@pytest.fixture
def ledger():
    return MemoryLedger()


@pytest.fixture
def stopped():
    return threading.Event()


@pytest.fixture
async def ctx(ledger, stopped) -> Context:
    return Context(
        Assignment(run_id=new_run_id(), step="s", options={"model": "large"}),
        journal=Journal(),
        ledger=ledger,
        models=Counting(),
        stopped=stopped,
        loop=asyncio.get_running_loop(),
    )


async def test_an_effect_is_done_once(ctx):
    async with ctx.effect("charge") as first:
        assert not first.confirmed
        first.confirm({"receipt": 7})
    async with ctx.effect("charge") as second:
        assert second.confirmed
        assert second.result == {"receipt": 7}


async def test_an_effect_that_was_begun_and_not_confirmed_is_in_doubt(ctx):
    with pytest.raises(ConnectionError):
        async with ctx.effect("charge"):
            raise ConnectionError
    with pytest.raises(InDoubt, match="'charge'"):
        async with ctx.effect("charge"):
            pytest.fail("it must not be done again")


async def test_an_effect_confirmed_before_the_error_counts(ctx):
    with pytest.raises(ConnectionError):
        async with ctx.effect("charge") as effect:
            effect.confirm(1)
            raise ConnectionError
    async with ctx.effect("charge") as again:
        assert again.result == 1


async def test_a_block_that_forgets_to_confirm_says_so(ctx):
    with pytest.raises(EffectUnconfirmed):
        async with ctx.effect("charge"):
            pass


async def test_effects_from_a_sync_function(ctx, ledger):
    def charge():
        with ctx.effect("charge") as effect:
            effect.confirm("paid")

    await asyncio.to_thread(charge)
    assert ledger.rows["charge"].result == "paid"
    with pytest.raises(RuntimeError, match="async with"):
        charge()


async def test_a_model_is_opened_at_its_first_call_and_its_usage_counted(ctx):
    model = ctx.model("small")
    assert ctx.usage == Usage()
    assert (await model.ainvoke("hi")).content == "small says hello"
    assert (await model.ainvoke("hi")).content == "small says hello"
    assert ctx.usage == Usage(1, 2, 0.5, 1)
    assert (await asyncio.to_thread(model.invoke, "hi")).content == "small says hello"
    assert [chunk.content async for chunk in model.astream("hi")] != []


async def test_the_steps_own_tier_is_the_default(ctx):
    assert (await ctx.model().ainvoke("hi")).content == "large says hello"


async def test_models_from_a_sync_function(ctx):
    reply = await asyncio.to_thread(lambda: ctx.model("small").invoke("hi"))
    assert reply.content == "small says hello"
    with pytest.raises(RuntimeError, match="ainvoke"):
        ctx.model("small").invoke("hi")


async def test_no_tier_and_no_models():
    bare = Context(Assignment(run_id=new_run_id(), step="s"), journal=Journal(), ledger=MemoryLedger())
    with pytest.raises(ModelUnavailable, match="name a tier"):
        bare.model()
    with pytest.raises(ModelUnavailable, match="without models"):
        await bare.model("small").ainvoke("hi")


async def test_once_told_to_stop_every_call_says_so(ctx, stopped):
    ctx.heartbeat(page=1)
    stopped.set()
    for call in (ctx.heartbeat, lambda: ctx.progress(0.5), lambda: ctx.log.info("x"), lambda: ctx.effect("e")):
        with pytest.raises(asyncio.CancelledError):
            call()


async def test_progress_is_a_fraction(ctx):
    with pytest.raises(ValueError, match="between 0 and 1, not 40"):
        ctx.progress(40)
