"""Questions about a table, by rule: as SQL, and the rows that it gives as a sentence and as Markdown."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, Field

from orchestrator import Context, Verdict, validator, worker
from workers.failures import Refused
from workers.sentences import normalised, repeated_words, shortened
from workers.table_queries import Column, Table

MAX_SENTENCE = 300
SHOWN_ROWS = 50

_MEASURES: tuple[tuple[str, str], ...] = (
    ("avg", r"average|mean|on average"),
    ("max", r"highest|largest|biggest|maximum|most expensive"),
    ("min", r"lowest|smallest|minimum|cheapest"),
    ("sum", r"total|sum|altogether|how much|how many|number of|amount of"),
)
_NUMBERS = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|REAL|DECIMAL.*)$")
_GROUPED = re.compile(
    r"\b(?:by|per|for each|for every|in each|in every|of each|of every|each|every|which|what)\s+(\w+)"
)
_RANKED = re.compile(r"\b(most|highest|largest|biggest|best|least|fewest|lowest|smallest|worst)\b")
_LEAST = frozenset({"least", "fewest", "lowest", "smallest", "worst"})
_FIGURE = re.compile(r"(?<![\w.,-])-?\d[\d,]*(?:\.\d+)?(?![\d,]*\d)")


class QuestionIn(BaseModel):
    """A question, and the tables as `tables.describe` gives them; the first one is asked."""

    question: str = Field(min_length=1)
    tables: list[Table] = Field(min_length=1)


class Sql(BaseModel):
    """One SELECT for `tables.query`."""

    sql: str


@worker("tables.write_sql", pool="documents")
def write_sql(input: QuestionIn) -> Sql:
    """Write SQL for a plain question: count, total, average, highest or lowest of a column, by others; no model.

    Names of columns are found in the question in singular and plural. "Which region has the most pieces" is a total
    by region, in order.

    Raises:
        Refused: `question_unclear`, with the columns that it may speak of.
    """
    table = input.tables[0]
    question = normalised(input.question).casefold()
    mentioned = [column for column in table.columns if _mentions(question, column.name)]
    numbers = [column for column in mentioned if _NUMBERS.match(column.type)]
    groups = _groups(question, [column for column in mentioned if column not in numbers])
    counted = re.search(r"\bhow many\b|\bnumber of\b|\bcount\b|\bmost\b|\bfewest\b|\bleast\b", question)
    if not numbers and not counted:
        names = ", ".join(column.name for column in table.columns)
        raise Refused("question_unclear", f"the question names no number of {table.name} (its columns are {names})")
    ranked = _RANKED.search(question)
    function = next((name for name, words in _MEASURES if re.search(rf"\b({words})\b", question)), "sum")
    if groups and ranked and function in ("max", "min"):
        function = "sum"
    measures = [f'{function}("{column.name}") AS {function}_{_plain(column.name)}' for column in numbers]
    measures = measures or ["count(*) AS count"]
    names = ", ".join(f'"{column.name}"' for column in groups)
    order = f"{len(groups) + 1} {'ASC' if ranked and ranked[1] in _LEAST else 'DESC'}, 1" if ranked else names
    return Sql(
        sql=f'SELECT {", ".join([names, *measures] if groups else measures)} FROM "{table.name}"'
        + (f" GROUP BY {names} ORDER BY {order}" if groups else "")
    )


class RowsIn(BaseModel):
    """A question, and the columns and rows that `tables.query` gave."""

    question: str = Field(min_length=1)
    sql: str
    columns: list[Column]
    rows: list[dict[str, Any]]
    more: bool = False


class Sentence(BaseModel):
    """What the rows say, in words."""

    sentence: str = Field(min_length=1, max_length=MAX_SENTENCE)


@worker("tables.say_rows", pool="documents")
def say_rows(input: RowsIn) -> Sentence:
    """Say the first row in words, and how many there are; no model."""
    return _said(input)


@validator("review.figures_from_rows")
def figures_from_rows(output: Sentence, ctx: Context) -> Verdict:
    """Every figure of the sentence stands in the rows, rounded or not, and the first row's figure is among them."""
    given = RowsIn.model_validate(ctx.input)
    if output == _said(given):
        return Verdict(passed=True, message="by rule")
    known = [value for row in given.rows for value in _figures(row.values())] + [float(len(given.rows))]
    known += _figures(_FIGURE.findall(given.question))
    figures = _FIGURE.findall(output.sentence)
    false = [figure for figure in figures if not any(_is(figure, value) for value in known)]
    first = _figures(given.rows[0].values()) if given.rows else []
    says = []
    if false:
        says.append(f"the rows do not have {', '.join(false)}")
    if first and not any(_is(figure, value) for figure in figures for value in first):
        says.append(f"say the figure of the first row: {_shown(first[-1])}")
    labels = [str(value) for row in given.rows[:1] for value in row.values() if isinstance(value, str)]
    if missing := [label for label in labels if label.casefold() not in output.sentence.casefold()]:
        says.append(f"say of what it is the figure: {', '.join(missing)}")
    if again := repeated_words(output.sentence):
        says.append(f"say nothing twice: “{again}”")
    return Verdict(passed=not says, message="; ".join(says), evidence={"figures": figures, "false": false})


class ReportIn(RowsIn):
    """What was asked and found, and the sentence that says it."""

    sentence: Sentence


class Report(BaseModel):
    """The report as Markdown; `method` says whether the agent or the rule wrote the sentence."""

    markdown: str
    method: Literal["agent", "by rule"]


@worker("tables.lay_out", pool="documents")
def lay_out(input: ReportIn) -> Report:
    """Lay question, sentence, rows and SQL out as Markdown; columns of totals and counts get a total row."""
    names = [column.name for column in input.columns]
    lines = [_line(names), _line(["---"] * len(names))]
    lines += [_line([_shown(row[name]) for name in names]) for row in input.rows[:SHOWN_ROWS]]
    if total := _total(input, names):
        lines.append(_line(total))
    more = len(input.rows) - SHOWN_ROWS
    left_out = [f"and {'more' if input.more else more} rows"] if more > 0 or input.more else []
    parts = [f"# {normalised(input.question)}", input.sentence.sentence, "\n".join(lines), *left_out]
    return Report(
        markdown="\n\n".join([*parts, f"```sql\n{input.sql}\n```"]) + "\n",
        method="by rule" if input.sentence == _said(input) else "agent",
    )


def _groups(question: str, columns: list[Column]) -> list[Column]:
    words = set(_GROUPED.findall(question))
    return [column for column in columns if any(_mentions(word, column.name) for word in words)]


def _mentions(text: str, column: str) -> bool:
    name = re.escape(column.casefold().replace("_", " "))
    singular = name.removesuffix("s")
    return re.search(rf"\b({name}|{singular})(s|es)?\b", text.replace("_", " ")) is not None


def _plain(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def _said(given: RowsIn) -> Sentence:
    if not given.rows:
        return Sentence(sentence="No row answers this.")
    facts = ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in given.rows[0].items())
    others = len(given.rows) - 1
    more = f" ({others} more {'row' if others == 1 else 'rows'} below)" if others else ""
    return Sentence(sentence=shortened(f"The first row says: {facts}{more}.", MAX_SENTENCE))


def _total(input: ReportIn, names: list[str]) -> list[str]:
    """A total row, where every row is shown and a column of sums or counts stands beside a name."""
    summable = [name for name in names if re.match(r"sum_|count", name)]
    if len(input.rows) < 2 or len(input.rows) > SHOWN_ROWS or input.more or names[0] in summable or not summable:
        return []
    sums = {name: sum(float(row[name] or 0) for row in input.rows) for name in summable}
    return ["**Total**", *(_shown(round(sums[name], 10)) if name in sums else "" for name in names[1:])]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}".removesuffix(".00")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else normalised(str(value))


def _figures(values: Any) -> list[float]:
    found = []
    for value in values:
        try:
            found.append(float(str(value).replace(",", "")))
        except ValueError:
            continue
    return found


def _is(figure: str, value: float) -> bool:
    """Whether a figure is the value, as far as it is written out."""
    decimals = len(figure.partition(".")[2])
    return abs(float(figure.replace(",", "")) - value) <= 0.5 * 10.0**-decimals
