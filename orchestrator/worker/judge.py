"""The built-in validator behind `judge`: asks a model, perhaps several times, and makes its votes one verdict.

All votes are one attempt. So they are leased, retried, priced and revoked together, and there is one verdict or none. A
vote is handed to the next try as a heartbeat as soon as it is there: a retry asks only for those that are missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.domain.ballot import BallotRule, Quote, Vote, count
from orchestrator.domain.verdict import Verdict
from orchestrator.domain.worker import JUDGE_POOL, JUDGE_WORKER, WorkerCard, WorkerKind
from orchestrator.errors import AttemptError
from orchestrator.llm.loading import load_clients
from orchestrator.worker.context import Context
from orchestrator.worker.declaration import Worker
from orchestrator.worker.judge_prompt import ANSWER, LONGEST_QUOTE, LONGEST_REASON, MOST, conversation
from orchestrator.worker.signature import read_signature

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class MalformedVote(AttemptError):
    """The judge's model gave an answer that is no vote. It is asked again; it never counts as a pass."""

    code = "malformed_vote"


class Answer(BaseModel):
    """What the model is asked for; more fields do not matter."""

    model_config = ConfigDict(strict=True)

    reasons: list[str]
    quotes: list[str] = []
    abstain: bool
    score: Score | None = None


async def judge(output: Any, ctx: Context) -> Verdict:
    """Ask a model whether an output fits a rubric, and count its votes.

    Raises:
        MalformedVote: an answer was cut off, refused, empty, or no vote; and whatever a call raises.
    """
    await load_clients()
    case = ctx.input
    votes = [Vote.from_json(vote) for vote in (ctx.last_heartbeat or {}).get("votes", ())]
    model = await ctx.open_model()
    messages = conversation(case, output)
    seen = " ".join(_texts([output, case["with"], case["material"]]))

    async def ask() -> None:
        votes.append(_vote(await _answer(model, messages), seen))
        ctx.heartbeat(votes=[vote.as_json() for vote in votes])

    missing = case["votes"] - len(votes)
    for ended in await asyncio.gather(*(ask() for _ in range(missing)), return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended
    rule = BallotRule(case["min_score"], abstain_passes=case["on_abstain"] == "pass")
    return count(votes, rule, model=ctx.options.get("model"), cost_usd=ctx.usage.cost_usd)


def judge_worker() -> Worker[..., Any]:
    """The built-in validator that lets a model judge."""
    card = WorkerCard(JUDGE_WORKER, WorkerKind.VALIDATOR, JUDGE_POOL, description=judge.__doc__ or "")
    signature = read_signature(judge, single=True)
    return Worker(judge, card, signature, retry_on=(MalformedVote,), place="orchestrator")


async def _answer(model: BaseChatModel, messages: list[BaseMessage]) -> Answer:
    from orchestrator.llm.structured import structured_turn

    result = await structured_turn(model, messages, ANSWER)
    if result.problem is not None:
        raise MalformedVote(f"the judge's model gave no vote: {result.problem}")
    try:
        answer = Answer.model_validate(result.value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise MalformedVote(f"the judge's model gave no vote: {where}: {first['msg']}") from None
    if answer.score is None and not answer.abstain:
        raise MalformedVote("the judge's model gave no vote: it neither abstains nor gives a score")
    return answer


def _vote(answer: Answer, seen: str) -> Vote:
    """The vote of an answer, in its bounds whatever the model wrote; and whether its quotes are from what it saw."""
    reasons = tuple(_one_line(reason)[:LONGEST_REASON] for reason in answer.reasons[:MOST] if reason.strip())
    quotes = [_one_line(quote)[:LONGEST_QUOTE] for quote in answer.quotes[:MOST] if quote.strip()]
    found = tuple(Quote(quote, quote in seen) for quote in quotes)
    return Vote(None if answer.abstain else answer.score, reasons, found)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, on one line each; what is no text as JSON writes it."""
    if isinstance(value, str):
        yield _one_line(value)
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below)
    elif value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
