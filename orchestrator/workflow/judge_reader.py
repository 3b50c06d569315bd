"""Reads `judge`: which model judges an output, by which rubric, and how its votes count."""

from __future__ import annotations

from orchestrator.domain.worker import JUDGE_POOL, JUDGE_WORKER
from orchestrator.workflow.fields import Fields, as_mapping
from orchestrator.workflow.language import JUDGE
from orchestrator.workflow.model import JudgeSpec, ValidatorSpec
from orchestrator.workflow.prompt_reader import read_prompt
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.uses import Scope, Uses


def read_judge(reading: Reading, uses: Uses, check: Fields, *, name: str | None, scope: Scope) -> ValidatorSpec | None:
    """The validator whose fields are `check`, of which `judge` is one. None after a mistake."""
    check.forbid(("message",), "goes with 'expr' only; a judge says itself why")
    timeout, node = check.duration("timeout"), check.node("judge")
    hint = "write {model: large, rubric: …}"
    mapping = None if node is None else as_mapping(reading.problems, node, "'judge'", hint)
    if mapping is None:
        return None
    fields = Fields(reading.problems, mapping, "'judge'", known=JUDGE)
    asked = fields.require("model", "the name of a tier")
    model, cap = (None, None) if asked is None else reading.model(asked)
    rubric = read_prompt(reading, fields.require("rubric", "text, or {file: prompts/x.md}"), "rubric")
    if rubric is not None:
        uses.text(rubric, scope.plus("output", "with"), "'rubric'")
    given = {
        "min_score": fields.number("min_score"),
        "votes": _votes(fields),
        "on_abstain": fields.choice("on_abstain"),
        "price_cap_usd": cap,
    }
    if model is None or rubric is None:
        return None
    said = {key: value for key, value in given.items() if value is not None}
    judge = JudgeSpec.model_validate({"model": model, "rubric": rubric.text, **said})
    return ValidatorSpec(name=name or "judge", worker=JUDGE_WORKER, pool=JUDGE_POOL, timeout=timeout, judge=judge)


def _votes(fields: Fields) -> int | None:
    votes, node = fields.integer("votes"), fields.node("votes")
    if votes is not None and votes % 2 == 0 and node is not None:
        fields.problems.at(node, "'votes' must be an odd number, so that there is a majority", f"write {votes + 1}")
        return None
    return votes
