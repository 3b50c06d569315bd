"""A step that a model judges, and an app whose agent and judge follow a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import Invalid, Orchestrator, RunResult, RunTrace, validator
from orchestrator.settings import DatabaseSettings, Settings
from orchestrator.testing import ReceivedRequest, ScriptedModel, answer_json
from tests.integration.supervisor.scene import flow

STEP = """
  write:
    kind: agent
    model: small
    with: {{facts: "${{{{ inputs.facts }}}}"}}
    prompt: "Write about ${{{{ with.facts }}}}"
    output: {{type: object, required: [text], properties: {{text: {{type: string}}}}}}
    retry: {{max_attempts: 3, backoff: {{initial: 10ms, jitter: false}}}}
    validate:
      - {{name: short, expr: size(output.text) < 200, message: too long}}
      - {{name: polite, worker: t.polite}}
      - {{name: faithful, judge: {{model: large, rubric: "Is every claim backed by ${{{{ with.facts }}}}?", {judge}}}}}
    on_invalid: [{on_invalid}]
"""
HEAD = """
inputs: {facts: {type: string, default: the bridge opened in 1932}}
outputs: {text: '${{ steps.write.output.text }}'}
"""


def vote(score: float | None, *reasons: str, quotes: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a judge's model answers; without a score it abstains."""
    said = {"reasons": list(reasons), "quotes": list(quotes), "abstain": score is None, "score": score or 0.0}
    return {**said, "score": score if score is not None else 0.0}


def step(judge: str = "min_score: 0.8", on_invalid: str = "{do: revise, times: 2}") -> str:
    """The step that writes, judged so."""
    return STEP.format(judge=judge, on_invalid=on_invalid)


@validator("t.polite")
async def polite(output: dict[str, Any]) -> bool:
    """Refuse what is rude."""
    if "rude" in output["text"]:
        raise Invalid("it is rude")
    return True


@dataclass
class Court:
    """An opened app; `drafts` are what the agent writes, `votes` what the judge's model answers, each in order."""

    drafts: list[object]
    votes: list[object]
    asked: list[ReceivedRequest] = field(default_factory=list)
    prompts: list[ReceivedRequest] = field(default_factory=list)
    app: Orchestrator = field(init=False)

    def reply(self, request: ReceivedRequest) -> object:
        """The next draft or vote."""
        judged = request.text.startswith("You judge the output")
        (self.asked if judged else self.prompts).append(request)
        said = (self.votes if judged else self.drafts).pop(0)
        if not isinstance(said, dict):
            return said
        return answer_json(said if judged else {"text": "", **said}, input_tokens=1_000_000, output_tokens=0)

    async def run(
        self, steps: str, inputs: dict[str, Any] | None = None, head: str = HEAD
    ) -> tuple[RunResult, RunTrace]:
        """Run a workflow to its end."""
        handle = await self.app.submit(flow(steps, head), inputs or {})
        result = await handle.result(timeout=60)
        return result, await handle.trace()


class EchoCourt(Court):
    """Its agent says what it is asked, and its judge refuses what is wrong."""

    def reply(self, request: ReceivedRequest) -> object:
        """The draft or vote that the request wants."""
        said = request.messages[-1]["content"]
        if request.text.startswith("You judge the output"):
            return vote(0.1, "wrong") if "wrong" in said else vote(0.9, "right")
        return {"text": said}


@asynccontextmanager
async def court(
    url: str, folder: Path, drafts: list[object], votes: list[object], kind: type[Court] = Court
) -> AsyncIterator[Court]:
    """The court with everything running; the judge's tier costs ten times as much."""
    it = kind(drafts, votes)
    with ScriptedModel(reply_to=it.reply) as model:
        tiers = {
            "small": model.settings("small", input_price=1.0, output_price=1.0),
            "large": model.settings("large", input_price=10.0, output_price=10.0),
        }
        settings = Settings(root=folder, database=DatabaseSettings(url=url), models=tiers)
        environ = {"OPENAI_API_KEY": "sk-for-tests"}
        async with Orchestrator.open(folder, settings=settings, workers=[polite], environ=environ) as app:
            it.app = app
            yield it


def of_judges(trace: RunTrace) -> list[Any]:
    """The judges' attempts, in order."""
    return [row for row in trace.attempts if row.worker == "orchestrator.judge"]


def verdicts(trace: RunTrace, name: str = "faithful") -> list[Any]:
    """The verdicts of one validator, in order."""
    return [row for row in trace.verdicts if row.validator == name]
