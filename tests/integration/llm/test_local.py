"""The local model's server: shared, restarted when it dies, gone when nobody needs it, whoever was killed."""

import asyncio
import os
import signal
import sys
import time

import pytest

from orchestrator.errors import ModelUnavailable
from orchestrator.llm import local_model_status, structured_turn
from orchestrator.llm.file_lock import is_held
from orchestrator.llm.local import LocalServer, server_folder
from orchestrator.llm.weights import SMOLLM2, Weights
from orchestrator.settings import ModelSettings

LOCAL = ModelSettings(provider="local", model=SMOLLM2.name)
USER = (
    "import asyncio, os, sys; from pathlib import Path; from orchestrator.llm.local import LocalServer\n"
    "async def use():\n"
    "    server = LocalServer(Path(sys.argv[1]), os.environ, linger=0.5)\n"
    "    print((await server.open()).pid, flush=True)\n"
    "    await asyncio.to_thread(sys.stdin.read)\n"
    "asyncio.run(use())\n"
)


async def until(condition, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(0.02)


def gone(folder):
    return lambda: not is_held(folder / "alive.lock")


@pytest.fixture
async def state(tmp_path):
    """A state folder whose server is gone after the test."""
    yield tmp_path
    await until(gone(server_folder(tmp_path)))


async def test_a_structured_answer_from_the_real_model(open_models, told, weights, tmp_path):
    schema = {
        "type": "object",
        "properties": {"colours": {"type": "array", "items": {"type": "string", "maxLength": 12}, "maxItems": 3}},
        "required": ["colours"],
        "additionalProperties": False,
    }
    began = time.monotonic()
    chat = await open_models(weights, small=LOCAL).chat("small", on_usage=told.usages.append)
    assert time.monotonic() - began < 30  # about 1 s on an idle machine
    result = await structured_turn(chat, [("user", "Name three colours.")], schema)
    assert result.problem is None
    assert isinstance(result.value["colours"], list)
    [usage] = told.usages
    assert usage.cost_usd == 0.0
    assert usage.output_tokens > 0
    assert (told.calls[0].provider, told.calls[0].max_tokens) == ("local", 700)


async def test_a_rambling_answer_and_a_long_prompt(open_models, told, weights):
    settings = LOCAL.model_copy(update={"max_tokens": 40})
    chat = await open_models(weights, small=settings).chat("small", on_usage=told.usages.append)
    endless = {"type": "object", "properties": {"story": {"type": "string", "minLength": 1_000}}, "required": ["story"]}
    result = await structured_turn(chat, [("user", "Tell a story.")], endless)
    assert "cut off" in result.problem
    assert told.usages[0].output_tokens == 40
    with pytest.raises(Exception, match="exceeds the available context"):
        await chat.ainvoke("word " * 5_000)
    assert told.calls[1].error.code == "context_length"
    assert told.calls[1].error.message.startswith("prompt of 50")
    assert "exceeds the model's context of 4096 tokens" in told.calls[1].error.message


async def test_one_server_for_all_and_none_when_all_are_gone(weights, state):
    users = [LocalServer(state, weights, linger=0.5) for _ in range(3)]
    endpoints = await asyncio.gather(*(user.open() for user in users))
    assert len(set(endpoints)) == 1
    status = local_model_status(state, weights)
    assert (status.pid, status.pulled) == (endpoints[0].pid, True)
    for user in users[:2]:
        user.close()
    assert await users[2].open() == endpoints[0]
    users[2].close()
    await until(gone(server_folder(state)))
    assert local_model_status(state, weights).pid is None


async def test_a_killed_server_is_started_again(weights, state):
    user = LocalServer(state, weights, linger=0.5)
    first = await user.open()
    os.kill(first.pid, signal.SIGKILL)
    await until(gone(server_folder(state)))
    second = await user.open()
    assert second.pid != first.pid
    user.close()


async def test_a_server_that_hangs_is_replaced(weights, state, monkeypatch):
    monkeypatch.setattr("orchestrator.llm.local.HEALTH_TIMEOUT", 0.5)
    user = LocalServer(state, weights, linger=0.5)
    first = await user.open()
    os.kill(first.pid, signal.SIGSTOP)
    late = LocalServer(state, weights, linger=0.5)
    second = await late.open()
    assert second.pid != first.pid
    user.close()
    late.close()


async def test_the_server_outlives_a_killed_starter_and_ends_after_the_last_user(weights, state):
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", USER, str(state), stdin=-1, stdout=-1)
    pid = int(await starter.stdout.readline())
    user = LocalServer(state, weights, linger=0.5)
    assert (await user.open()).pid == pid
    starter.kill()
    await starter.communicate()
    assert (await user.open()).pid == pid
    assert is_held(server_folder(state) / "alive.lock")
    user.close()
    await until(gone(server_folder(state)))


async def test_under_uvloop_the_starter_does_not_wait_for_the_servers_end(weights, state):
    code = "import uvloop; " + USER.replace("asyncio.run(", "uvloop.run(")
    user = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(state), stdin=-1, stdout=-1)
    async with asyncio.timeout(30):
        assert int(await user.stdout.readline())
    assert is_held(server_folder(state) / "alive.lock")
    user.stdin.close()
    assert await user.wait() == 0


async def test_the_last_user_may_be_killed(weights, state):
    user = await asyncio.create_subprocess_exec(sys.executable, "-c", USER, str(state), stdin=-1, stdout=-1)
    assert int(await user.stdout.readline())
    user.kill()
    await user.communicate()
    await until(gone(server_folder(state)))


async def test_a_model_that_does_not_load_names_the_log(tmp_path):
    weights = Weights("broken", "none==0", "none", "f" * 64, 4)
    cache = tmp_path / "orchestrator" / "models"
    cache.mkdir(parents=True)
    (cache / "broken-ffffffffffff.gguf").write_bytes(b"oops")
    user = LocalServer(tmp_path, {"XDG_CACHE_HOME": str(tmp_path)}, weights=weights)
    with pytest.raises(ModelUnavailable, match="ended while it loaded") as caught:
        await user.open()
    assert str(server_folder(tmp_path, weights) / "server.log") in caught.value.remedy
    assert "cannot start" in caught.value.message
    user.close()
