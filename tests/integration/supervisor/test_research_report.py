"""The research report of `tests/examples`: the whole language in one run, with a model that follows a script."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator import Context, Invalid, Orchestrator, RunHandle, validator, worker
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.testing import ReceivedRequest, ScriptedModel, answer_json
from tests.integration.supervisor.scene import until

GRAPH = Path(__file__).parents[2] / "examples" / "research_report" / "research_report.yaml"
GOOD = {"markdown": "# Tea", "citations": ["https://a", "https://b", "https://c"]}
DEAD = {"markdown": "# Tee", "citations": ["https://a", "https://b", "https://dead"]}
FEW = {"markdown": "# T", "citations": ["https://a"]}


class Query(BaseModel):
    """What to search for."""

    query: str
    limit: int = 5


class Page(BaseModel):
    """A page to publish."""

    md: str


class Status(BaseModel):
    """How a run stands."""

    status: str


class Duplicate(Exception):
    """The page is there already."""

    code = "duplicate"


@dataclass
class Desk:
    """An opened app with the report's workers, its model, and what they saw."""

    drafts: list[dict[str, Any]]
    scores: list[float]
    faithful: list[float] = field(default_factory=list)
    published_before: bool = False
    keys: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    app: Orchestrator = field(init=False)

    def reply(self, request: ReceivedRequest) -> object:
        """What the model says to each prompt."""
        if "search questions" in request.text:
            return answer_json({"questions": ["price of tea", "fail", "history of tea"]})
        if "Write a report" in request.text:
            return answer_json(self.drafts.pop(0))
        if request.text.startswith("You judge the output"):
            score = self.faithful.pop(0) if self.faithful else 1.0
            return answer_json({"reasons": ["ask the hits"], "quotes": [], "abstain": False, "score": score})
        assert "Check every claim" in request.text
        score = self.scores.pop(0)
        return answer_json({"score": score, "fixed": f"{request.messages[-1]['content'].split()[-1]}+"})

    def workers(self) -> list[object]:
        """The workers that the graph names."""

        @worker("research.search", pool="research")
        async def search(input: Query, ctx: Context) -> list[str]:
            self.secrets.append(ctx.secret("SEARCH_KEY"))
            if input.query == "fail":
                raise ValueError("nothing found")
            return [f"hit for {input.query}"]

        @validator("research.links_alive")
        async def links_alive(output: dict[str, Any]) -> bool:
            if "https://dead" in output["citations"]:
                raise Invalid("https://dead does not answer")
            return True

        @worker("cms.publish", pool="cms")
        async def publish(input: Page, ctx: Context) -> dict[str, str]:
            self.keys.append(ctx.idempotency_key)
            if self.published_before:
                raise Duplicate("there already")
            return {"url": "new"}

        @worker("ops.notify", pool="ops")
        async def notify(input: Status) -> None:
            self.told.append(input.status)

        return [search, links_alive, publish, notify]


@asynccontextmanager
async def opened(database_url: str, folder: Path, desk: Desk) -> AsyncIterator[Desk]:
    """The desk with everything running."""
    with ScriptedModel(reply_to=desk.reply) as model:
        tiers = {
            name: model.settings(name, input_price=1.0, output_price=2.0, max_tokens=500) for name in ("small", "large")
        }
        settings = Settings(root=folder, database=DatabaseSettings(url=database_url), models=tiers)
        environ = {"OPENAI_API_KEY": "sk-for-tests", "SEARCH_KEY": "open sesame"}
        async with Orchestrator.open(folder, settings=settings, workers=desk.workers(), environ=environ) as app:
            desk.app = app
            yield desk


async def question_of(handle: RunHandle, step: str) -> Any:
    """What a person is asked for a step."""

    async def found() -> Any:
        return next((question for question in await handle.questions() if question.step == step), None)

    return await until(found)


async def test_a_straight_run_asks_nobody(database_url, tmp_path):
    async with opened(database_url, tmp_path, Desk([GOOD], [0.97])) as desk:
        handle = await desk.app.submit(GRAPH, {"topic": "tea"})
        result = await handle.result(timeout=60)
        trace = await handle.trace()
    assert (result.status, result.output) == ("succeeded", {"report": "# Tea", "score": 0.97})
    steps = {row.step: row for row in trace.steps}
    assert (steps["search"].items_total, steps["search"].items_failed) == (3, 1)
    assert (steps["approve"].status, steps["publish"].status, steps["notify"].status) == (
        "skipped",
        "succeeded",
        "succeeded",
    )
    assert "inputs.approver" in steps["approve"].reason
    assert desk.keys == [f"{result.run_id}/publish"]
    assert desk.told == ["succeeded"] and set(desk.secrets) == {"open sesame"}
    assert result.cost is not None and 0 < result.cost < 0.1


async def test_a_hard_run_is_revised_escalated_repeated_approved_and_counted(database_url, tmp_path):
    """Three drafts are refused, then the large model's; a person writes it, and approves what the child runs mended."""
    desk = Desk([FEW, DEAD, DEAD, DEAD], [0.5, 0.9], published_before=True)
    async with opened(database_url, tmp_path, desk):
        handle = await desk.app.submit(GRAPH, {"topic": "tea", "approver": "anna"})
        question = await question_of(handle, "write")
        assert question.feedback == ("links: https://dead does not answer",)
        assert question.rejected == DEAD
        await handle.answer(step="write", value=GOOD, by="ben")
        question = await question_of(handle, "approve")
        assert question.assignee == "anna"
        await handle.answer(step="approve", value={"decision": "approve"}, by="anna")
        result = await handle.result(timeout=60)
        trace = await handle.trace()
    assert (result.status, result.output) == ("succeeded", {"report": "# Tea", "score": 0.9})
    attempts = {step: [row for row in trace.attempts if row.step == step and row.purpose == "work"] for step in
                ("write", "review", "publish")}  # fmt: skip
    assert [(row.worker, row.options.get("model")) for row in attempts["write"]] == [
        ("orchestrator.agent", "small"),
        ("orchestrator.agent", "small"),
        ("orchestrator.agent", "small"),
        ("orchestrator.agent", "large"),
        ("orchestrator.human", None),
    ]
    assert [row.status for row in attempts["review"]] == ["succeeded", "succeeded"]
    assert sum(row.input_tokens for row in attempts["review"]) > 0, "what child runs use counts above"
    assert [row.status for row in attempts["publish"]] == ["failed"]
    assert [verdict.passed for verdict in trace.verdicts if verdict.validator == "links"].count(False) == 3
    assert desk.told == ["succeeded"]


async def test_a_report_that_the_large_model_finds_unfaithful_is_written_again(database_url, tmp_path):
    async with opened(database_url, tmp_path, Desk([FEW, GOOD, GOOD], [0.97], faithful=[0.5, 0.9])) as desk:
        handle = await desk.app.submit(GRAPH, {"topic": "tea"})
        result = await handle.result(timeout=60)
        trace = await handle.trace()
    assert (result.status, desk.drafts) == ("succeeded", [])
    said = [(row.passed, row.score) for row in trace.verdicts if row.validator == "faithful"]
    assert said == [(False, 0.5), (True, 0.9)], "not asked about a draft with too few citations"
    judges = [row for row in trace.attempts if row.worker == "orchestrator.judge"]
    assert {(row.pool, row.options["model"], row.options["price_cap_usd"]) for row in judges} == {
        ("judges", "large", 0.6)
    }


async def test_a_rejected_report_is_not_published(database_url, tmp_path):
    async with opened(database_url, tmp_path, Desk([GOOD], [0.9])) as desk:
        handle = await desk.app.submit(GRAPH, {"topic": "tea", "approver": "anna"})
        await question_of(handle, "approve")
        await handle.answer(step="approve", value={"decision": "reject", "note": json.dumps("no")})
        result = await handle.result(timeout=60)
        steps = {row.step: row.status for row in (await handle.trace()).steps}
    assert (result.status, steps["publish"], desk.keys, desk.told) == ("succeeded", "skipped", [], ["succeeded"])


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.3]])
async def test_a_report_that_never_gets_good_enough_fails_and_says_so(database_url, tmp_path, scores):
    async with opened(database_url, tmp_path, Desk([GOOD], list(scores))) as desk:
        result = await desk.app.run(GRAPH, {"topic": "tea"})
    assert (result.status, result.error.code, desk.told) == ("failed", "repeat_exhausted", ["failed"])
