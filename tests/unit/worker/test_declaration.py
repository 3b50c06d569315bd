"""A declared function stays a function, has a card, and can be tried without a server."""

from __future__ import annotations

import inspect

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool as langchain_tool
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from orchestrator.domain.worker import DEFAULT_POOL, VALIDATOR_POOL, WorkerKind
from orchestrator.errors import DatabaseUnavailable, ModelUnavailable, NotFound, ProjectError, SecretMissing
from orchestrator.worker import Context, Invalid, Registry, Verdict, Worker, as_worker, tool, validator, worker
from orchestrator.worker.failures import WrongType


@worker("d.shout", pool="voices", concurrency=3, timeout="1m30s", retry_on=(ConnectionError,))
def shout(text: str) -> str:
    """Say it louder.

    And this is not in the card.
    """
    return text.upper()


def test_the_object_is_still_the_function():
    assert shout("a") == "A"
    assert shout.__name__ == "shout"
    assert list(inspect.signature(shout).parameters) == ["text"]


def test_the_card_says_what_the_catalogue_shows():
    card = shout.card
    assert (card.name, card.kind, card.pool, card.concurrency, card.timeout, card.process) == (
        "d.shout",
        WorkerKind.WORKER,
        "voices",
        3,
        90.0,
        False,
    )
    assert card.description == "Say it louder."
    assert shout.retry_on == (ConnectionError,)
    assert shout.place.endswith(f"test_declaration.py:{shout.function.__code__.co_firstlineno}")


def test_pools_by_default():
    @worker("d.w")
    def one() -> int:
        return 1

    @validator("d.v")
    def two(output: int) -> bool:
        return True

    assert (one.card.pool, two.card.pool) == (DEFAULT_POOL, VALIDATOR_POOL)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Shout", {}, "lower-case words joined by dots"),
        ("a..b", {}, "lower-case words joined by dots"),
        ("orchestrator.mine", {}, "the framework's own"),
        ("d.x", {"pool": "my pool"}, "the pool 'my pool'"),
        ("d.x", {"concurrency": 0}, "at least 1"),
        ("d.x", {"timeout": "soon"}, "duration"),
        ("d.x", {"process": True}, "top of its module"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(name, options, message):
    def some(text: str) -> str:
        return text

    with pytest.raises(ProjectError, match=message):
        worker(name, **options)(some)


def test_the_decorator_needs_a_name():
    with pytest.raises(ProjectError, match="with a name"):

        @worker
        def unnamed() -> int:
            return 1


async def test_a_validators_answers():
    @validator("d.short")
    def short(output: str, ctx: Context) -> Verdict | bool:
        if output == "":
            raise Invalid("there is nothing")
        if ctx.input and output == ctx.input["text"]:
            return Verdict(False, "an echo", score=0.25, evidence={"same": True})
        return len(output) < 5

    assert await short.test("abc") == Verdict(True)
    assert await short.test("abcdefg") == Verdict(False)
    assert await short.test("") == Verdict(False, "there is nothing")
    assert await short.test("x", input={"text": "x"}) == Verdict(False, "an echo", "", 0.25, {"same": True})


async def test_an_output_of_another_shape_is_a_failed_verdict():
    class Expected(TypedDict):
        points: list[str]

    @validator("d.typed")
    def typed(output: Expected) -> bool:
        return True

    verdict = await typed.test({"points": "no list"})
    assert not verdict.passed
    assert verdict.message.startswith("the output does not fit: points")


async def test_returning_nothing_passes_only_when_declared_so():
    @validator("d.raises")
    def raises(output: str) -> None:
        if not output:
            raise Invalid("empty")

    @validator("d.forgets")
    def forgets(output: str):
        pass

    assert await raises.test("x") == Verdict(True)
    assert await raises.test("") == Verdict(False, "empty")
    with pytest.raises(WrongType, match="got NoneType; declare it `-> None`"):
        await forgets.test("x")


async def test_another_exception_of_a_validator_is_not_a_verdict():
    @validator("d.broken")
    def broken(output: str) -> bool:
        raise LookupError("no table")

    with pytest.raises(LookupError):
        await broken.test("x")


async def test_trial_gives_secrets_models_and_what_a_revision_sees():
    @worker("d.all")
    async def everything(ctx: Context) -> list[str]:
        said = await ctx.model("small").ainvoke("hi")
        return [ctx.secret("KEY"), str(said.content), *ctx.feedback, str(ctx.rejected), str(ctx.last_heartbeat)]

    result = await everything.test(
        secrets={"KEY": "k"},
        models={"small": FakeListChatModel(responses=["hello"])},
        feedback=("too short",),
        rejected="no",
        last_heartbeat={"page": 2},
    )
    assert result == ["k", "hello", "too short", "no", "{'page': 2}"]
    with pytest.raises(ModelUnavailable, match="gave no model for the tier 'small'"):
        await everything.test(secrets={"KEY": "k"}, models={"large": FakeListChatModel(responses=[])})


async def test_a_secret_that_the_step_does_not_list():
    @worker("d.secret")
    def peek(ctx: Context) -> str:
        return ctx.secret("OTHER")

    with pytest.raises(SecretMissing, match=r"does not list the secret 'OTHER' \(it lists KEY\)"):
        await peek.test(secrets={"KEY": "k"})


async def test_the_database_is_where_the_test_says():
    @worker("d.database")
    def where(ctx: Context) -> str:
        return ctx.database_url

    assert await where.test(database_url="postgresql://localhost/scratch") == "postgresql://localhost/scratch"
    with pytest.raises(DatabaseUnavailable, match="runs without a database"):
        await where.test()


async def test_a_runnable_and_a_graph_as_workers():
    class State(TypedDict):
        n: int

    graph = StateGraph(State)
    graph.add_node("double", lambda state: {"n": state["n"] * 2})
    graph.add_edge(START, "double")
    graph.add_edge("double", END)

    def context_of(value, config):
        return {"number": config["configurable"]["orchestrator"].number, **value}

    doubled = as_worker("d.graph", graph.compile(), pool="graphs")
    plain = as_worker("d.runnable", RunnableLambda(context_of))
    assert await doubled.test({"n": 4}) == {"n": 8}
    assert await plain.test({"a": 1}) == {"number": 1, "a": 1}
    assert doubled.card.pool == "graphs"
    assert "test_declaration.py" in doubled.place
    with pytest.raises(ProjectError, match="is not a Runnable"):
        as_worker("d.other", lambda value: value)


def test_a_registry_knows_each_name_once():
    @worker("d.shout")
    def impostor(text: str) -> str:
        return text

    registry = Registry([shout])
    registry.add(shout)
    assert len(registry) == 1
    assert registry.pools == ("agents", "judges", "planners", "voices")
    assert registry.catalogue == {"d.shout": shout.card}
    with pytest.raises(ProjectError) as caught:
        registry.add(impostor)
    assert shout.place in str(caught.value)
    assert impostor.place in str(caught.value)
    with pytest.raises(ProjectError, match="is not a worker"):
        registry.add(len)
    with pytest.raises(NotFound, match="did you mean"):
        registry.get("d.shoud")


def test_a_registry_collects_the_top_of_a_module():
    module = type(inspect)("some_module")
    module.one = shout
    module.several = [as_worker("d.a", RunnableLambda(str)), as_worker("d.b", RunnableLambda(str))]
    module.other = Worker
    registry = Registry()
    registry.collect(module)
    assert sorted(registry.catalogue) == ["d.a", "d.b", "d.shout"]


def test_a_tool_is_declared_like_a_worker_and_has_no_pool():
    @tool("shop.stock", timeout="5s")
    def stock(article: str, exact: bool = False) -> int:
        """How many are in stock.

        Articles are numbers.
        """
        return 3

    card = stock.card
    assert (card.kind, card.pool, card.timeout, card.description) == (
        WorkerKind.TOOL,
        "",
        5.0,
        "How many are in stock.",
    )
    assert card.input_schema["required"] == ["article"] and card.output_schema == {"type": "integer"}
    assert stock("A-1") == 3
    assert Registry([stock]).pools == Registry([]).pools
    with pytest.raises(ProjectError, match=r'write @tool\("some.name"\)'):
        tool(lambda: 1)


async def test_a_tool_is_tested_like_a_worker():
    @tool("shop.double")
    async def double(n: int, ctx: Context) -> int:
        return 2 * n

    assert await double.test(n=4) == 8


async def test_a_tool_of_langchain_brings_its_schema():
    @langchain_tool
    def stock(article: str) -> int:
        """How many are in stock."""
        return len(article)

    wrapped = as_worker("shop.theirs", stock)
    assert wrapped.card.description == "How many are in stock."
    assert wrapped.card.input_schema["properties"]["article"]["type"] == "string"
    assert wrapped.card.input_schema["required"] == ["article"]
    assert await wrapped.test({"article": "A-1"}) == 3


def test_limits_over_all_processes_are_in_the_card():
    @worker("d.limited", max_running=5, rate="60/m")
    def limited() -> int:
        return 1

    assert (limited.card.max_running, limited.card.rate) == (5, "60/m")
    chain = as_worker("d.chain", RunnableLambda(lambda x: x), rate="1/s")
    assert chain.card.rate == "1/s"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            {"rate": "60 per minute"},
            r"test_declaration\.py:\d+: worker 'd\.bad': '60 per minute' is no rate: .* such as",
        ),
        ({"rate": 60}, r"test_declaration\.py:\d+: worker 'd\.bad': a rate is a whole number for a second"),
        ({"max_running": 0}, r"test_declaration\.py:\d+: worker 'd\.bad': max_running is at least 1, not 0"),
    ],
)
def test_a_bad_limit_names_its_place(limits, message):
    with pytest.raises(ProjectError, match=message):

        @worker("d.bad", **limits)
        def bad() -> int:
            return 1
