"""Same name and version, another definition: what a submit refuses, what it says, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator import Orchestrator, Workflow
from orchestrator.cli import application
from orchestrator.client import RunHandle
from orchestrator.domain import event as events
from orchestrator.domain.identity import RunId
from orchestrator.errors import VersionTaken
from orchestrator.store import Database, runs
from orchestrator.store import events as event_store

TEXT = """\
api: orchestrator/v1
name: letter
version: {version}
steps:
  write: {{kind: worker, worker: letters.write, with: {{text: {text}}}}}
"""


def letter(text: str, version: str = "1.0.0") -> Workflow:
    """As it is pinned: without its source it is not read again."""
    pinned = Workflow.from_yaml(TEXT.format(text=text, version=version))
    return pinned.model_copy(update={"source": ""})


@pytest.fixture
async def client(database: Database) -> AsyncIterator[Orchestrator]:
    async with Orchestrator.connect(database=database.url) as app:
        yield app


async def finish(database: Database, handle: RunHandle) -> None:
    async with database.transaction() as connection:
        await runs.finish_run(connection, handle.id, status="succeeded", output=None, error=None)


async def submitted(database: Database, run_id: RunId) -> dict[str, object]:
    page, _ = await event_store.read_events(database, run_id, tenant="default", after=None, limit=5)
    return next(stored.event.data for stored in page if stored.event.kind == events.RUN_SUBMITTED)


async def test_another_definition_under_a_version_in_use_is_refused_whole(client, database) -> None:
    first, second = letter("dear"), letter("hello")
    await client.submit(first)
    await client.submit(first)
    with pytest.raises(VersionTaken) as caught:
        await client.submit(second)
    assert caught.value.code == "ORC-151"
    assert caught.value.message == (
        f"letter 1.0.0 is #{second.sha256[:8]} now, and 2 unfinished runs hold it as #{first.sha256[:8]}: "
        "it differs in steps.write.with"
    )
    assert "raise `version`" in caught.value.remedy and "-dev" in caught.value.remedy
    assert await runs.get_workflow(database, second.sha256) is None
    assert len(await client.list_runs()) == 2


async def test_the_same_definition_and_a_raised_version_go_on(client) -> None:
    await client.submit(letter("dear"))
    await client.submit(letter("dear"))
    await client.submit(letter("hello", "1.0.1"))
    assert len(await client.list_runs()) == 3


async def test_once_the_others_have_ended_it_is_accepted_and_said(client, database) -> None:
    first, second = letter("dear"), letter("hello")
    await finish(database, await client.submit(first))
    run = await client.submit(second)
    assert (await submitted(database, run.id))["replaces"] == first.sha256
    await finish(database, run)
    again = await client.submit(second)
    assert "replaces" not in await submitted(database, again.id)
    with pytest.raises(VersionTaken):
        await client.submit(first)


@pytest.mark.parametrize("version", ["1.0.0-dev", '"0"'])
async def test_a_version_that_promises_nothing_moves_freely_and_says_so(client, database, version) -> None:
    first = letter("dear", version)
    await client.submit(first)
    run = await client.submit(letter("hello", version))
    assert (await submitted(database, run.id))["replaces"] == first.sha256


async def test_the_runs_of_another_tenant_refuse_nothing(client) -> None:
    await client.submit(letter("dear"), tenant="acme")
    await client.submit(letter("hello"), tenant="other")
    with pytest.raises(VersionTaken):
        await client.submit(letter("hello"), tenant="acme")


async def test_a_repeated_submit_gets_its_first_run_whatever_the_file_says_now(client) -> None:
    first = await client.submit(letter("dear"), idempotency_key="k1")
    assert (await client.submit(letter("hello"), idempotency_key="k1")).id == first.id


async def test_a_definition_that_an_older_package_wrote_is_the_same(client, database) -> None:
    now = letter("dear")
    older = now.to_json()
    for step in older["steps"].values():
        del step["secrets"]  # a key that came later, with a default
    older_sha = "ab" * 32
    await client.submit(now.model_copy(update={"sha256": older_sha}))
    await database.execute(
        "UPDATE workflows SET definition = $1::json WHERE sha256 = $2", json.dumps(older), bytes.fromhex(older_sha)
    )
    await client.submit(now)
    assert await client.pinned_runs(now) == []


@pytest.fixture
def project(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.orchestrator]\nworkers = ["letter_workers"]\n')
    (tmp_path / "letter_workers.py").write_text(
        "from pydantic import BaseModel\n\nfrom orchestrator import worker\n\n\nclass Letter(BaseModel):\n"
        "    text: str\n\n\n@worker('letters.write')\ndef write(input: Letter) -> Letter:\n    return input\n"
    )
    (tmp_path / "graphs").mkdir()
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", database_url)
    return tmp_path


def validated(project: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(application, ["-C", str(project), "validate", "letter", "--against-running", *arguments])
    return done.exit_code, done.output


def written(project: Path, text: str, version: str = "1.0.0") -> Workflow:
    (project / "graphs" / "letter.yaml").write_text(TEXT.format(text=text, version=version))
    return letter(text, version)


async def submit_to(url: str, workflow: Workflow, tenant: str) -> RunHandle:
    async with Orchestrator.connect(database=url) as app:
        return await app.submit(workflow, tenant=tenant)


def test_validate_says_which_runs_keep_what_they_began_with(project: Path, database_url: str) -> None:
    first = written(project, "dear")
    mine = asyncio.run(submit_to(database_url, first, "default"))
    asyncio.run(submit_to(database_url, letter("other", "0.9.0"), "acme"))
    assert validated(project) == (
        0,
        f"ok  letter: letter 1.0.0 #{first.sha256[:8]}, 1 step, 1 pool (default)\n"
        "    no unfinished run of letter keeps another definition\n",
    )
    second = written(project, "hello")
    code, text = validated(project)
    assert code == 2
    assert text.splitlines()[1:] == [
        f"    1 unfinished run keeps letter 1.0.0 #{first.sha256[:8]} and goes on unaffected ({str(mine.id)[:13]}); "
        "differs in steps.write.with",
        "    a run of this file is refused until they have ended (ORC-151): raise `version` above 1.0.0, "
        "or let it end with -dev while you edit",
    ]
    assert f"#{second.sha256[:8]}" in text.splitlines()[0]
    written(project, "hello", "1.1.0")
    code, text = validated(project, "--all-tenants")
    assert code == 0
    assert (
        "keeps letter 1.0.0" in text and "keeps letter 0.9.0" in text and "differs in version, steps.write.with" in text
    )
