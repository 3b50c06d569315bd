"""Answers of people: which question is meant, whether the value fits its form, and who has to hear of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from orchestrator.domain.identity import NO_ITEM, ProcessId, RunId
from orchestrator.errors import AnswerInvalid, Conflict, NotFound
from orchestrator.queue import RUN_CHANNEL, enqueue_run_jobs, process_channel, wake
from orchestrator.store import Database, questions
from orchestrator.store.parking import unowned
from orchestrator.store.questions import Question
from orchestrator.workflow.json_schema import value_problems

_MOST_LISTED = 10


async def give_answer(database: Database, question: Question, value: Any, *, by: str | None = None) -> None:
    """Check an answer against its form, store it, and wake the run that asked.

    Args:
        database: where the run is.
        question: as it was asked; a later one of the same step is not answered by this.
        value: plain JSON.
        by: who answers, for the record.

    Raises:
        AnswerInvalid: the value does not fit the form; nothing is stored.
        Conflict: it was answered already, it expired or was withdrawn, or the run has ended.
        NotFound: the tenant has no such run.
    """
    check_answer(question, value)
    owner = await questions.answer_question(database, question, value, by=by)
    await notify_owner(database, owner, question.run_id)


async def notify_owner(database: Database, owner: ProcessId | None, run_id: RunId) -> None:
    """Tell the process that hosts a run that something is in its inbox; one that is parked is queued again."""
    if owner is not None:
        await database.execute("SELECT pg_notify($1, $2)", process_channel(owner), str(run_id))
        return
    async with database.transaction() as connection:
        await enqueue_run_jobs(connection, await unowned(connection, [run_id]))
    await wake(database.pool, [RUN_CHANNEL])


def check_answer(question: Question, value: Any) -> None:
    """Whether a value may answer a question.

    Raises:
        AnswerInvalid: it is not plain JSON, or does not fit the form; names every field that is wrong.
    """
    try:
        json.dumps(value, allow_nan=False)
        problems = value_problems(question.form, value) if question.form is not None else []
    except (TypeError, ValueError) as error:
        problems = [f"it is not plain JSON: {error}"]
    if problems:
        asks = form_text(question.form)
        raise AnswerInvalid(
            where_text(question), step=question.step, problems=problems, remedy=f"the form asks for {asks}"
        )


def choose_question(
    asked: Sequence[Question], run_id: RunId, *, step: str | None = None, item: int | None = None
) -> Question | None:
    """The question that is meant, None where nothing like it waits.

    Args:
        asked: what waits in a run and in the runs below it.
        run_id: the run whose own questions go before those of the runs below it.
        step: the step that asks, "" for the budget; None where there is only one, or where the run itself is paused.
        item: of a `foreach`.

    Raises:
        Conflict: several are meant; lists them.
    """
    found = [one for one in asked if step in {None, one.step} and item in {None, one.item}]
    own = [one for one in found if one.run_id == run_id]
    if step is None:
        own = [one for one in own if one.about_budget and item is None]
    found = own or found
    if len(found) <= 1:
        return found[0] if found else None
    if len({one.run_id for one in found}) > 1:
        remedy = "answer the run that asks, by its own id"
    elif len({one.step for one in found}) > 1:
        remedy = "say which step is meant"
    else:
        remedy = "say which item is meant"
    raise Conflict(f"{len(found)} questions of run {run_id} wait:{listed(found)}", remedy=remedy)


async def find_question(
    database: Database, run_id: RunId, *, tenant: str, step: str | None, item: int | None
) -> Question:
    """The question of a run, or of a run below it, that is meant; see `choose_question`.

    Raises:
        Conflict: several are meant, or it waits no longer: it was answered, it expired, or the run has ended.
        NotFound: there is no such run, or nothing like it was asked.
    """
    asked = await questions.open_questions(database, tenant=tenant, run_id=run_id, step=step, item=item)
    found = choose_question(asked, run_id, step=step, item=item)
    if found is not None:
        return found
    error = await questions.refusal(database, run_id, tenant=tenant, step=step, item=item)
    asked = await questions.open_questions(database, tenant=tenant, run_id=run_id)
    if asked and isinstance(error, NotFound):
        raise NotFound(error.message, remedy=f"these questions of the run wait:{listed(asked)}")
    raise error


def where_text(question: Question) -> str:
    """Who asks: `step 'approve' item 3 of run 0199…`, or `the budget of run 0199…`."""
    if question.about_budget:
        return f"the budget of run {question.run_id}"
    item = "" if question.item == NO_ITEM else f" item {question.item}"
    return f"step '{question.step}'{item} of run {question.run_id}"


def listed(asked: Sequence[Question]) -> str:
    """Questions as indented lines, ten at the most."""
    lines = [where_text(one) + (f", for {one.assignee}" if one.assignee else "") for one in asked[:_MOST_LISTED]]
    if len(asked) > _MOST_LISTED:
        lines.append(f"… and {len(asked) - _MOST_LISTED} more")
    return "".join(f"\n  {line}" for line in lines)


def form_text(form: dict[str, Any] | None) -> str:
    """What a form asks for, on one line: `decision (approve or reject), note (string, may be left out)`."""
    if form is None:
        return "any JSON value"
    fields = form.get("properties")
    if not isinstance(fields, dict) or not fields:
        return f"a JSON value like {json.dumps(form, ensure_ascii=False)}"
    required = form.get("required", ())
    return ", ".join(_field_text(name, schema, name in required) for name, schema in fields.items())


def _field_text(name: str, schema: Any, required: bool) -> str:
    kind = kind_text(schema)
    notes = [part for part in (kind, "" if required else "may be left out") if part]
    return f"{name} ({', '.join(notes)})" if notes else name


def kind_text(schema: Any) -> str:
    """What a field takes: its choices, else its type, else nothing."""
    if not isinstance(schema, dict):
        return ""
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if choices:
        return " or ".join(one if isinstance(one, str) else json.dumps(one) for one in choices)
    kind = schema.get("type", "")
    return " or ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
