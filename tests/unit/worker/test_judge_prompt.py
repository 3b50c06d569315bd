"""What a judge's model is asked: the rubric as the task, all else between marks that nobody could know."""

from __future__ import annotations

import json
import re

from orchestrator.worker.judge_prompt import ANSWER, conversation
from orchestrator.workflow.judge_cost import INSTRUCTIONS

CASE = {"rubric": "Is it good?\n", "with": {"a": 1}, "material": {"steps.read.output": "long\ntext"}}


def test_the_data_stands_between_marks_that_are_new_each_time():
    (system, user), (_, again) = conversation(CASE, {"text": "x"}), conversation(CASE, {"text": "x"})
    marks = set(re.findall(r"DATA-[0-9a-f]{16}", str(user.content)))
    (mark,) = marks
    assert mark in str(system.content) and mark not in str(again.content)
    assert str(user.content) == (
        "The rubric:\n\nIs it good?\n\nThe data:\n\n"
        f"<<<{mark} steps.read.output\nlong\ntext\n{mark} steps.read.output>>>\n\n"
        f'<<<{mark} with\n{{"a":1}}\n{mark} with>>>\n\n'
        f'<<<{mark} output\n{{"text":"x"}}\n{mark} output>>>\n\nJudge `output` by the rubric.'
    )
    assert str(system.content).endswith(json.dumps(ANSWER, separators=(",", ":")))


def test_a_forecast_reckons_with_the_prompt_as_it_is():
    size = sum(len(str(message.content).encode()) for message in conversation(CASE | {"material": {}, "with": {}}, ""))
    assert abs(size - INSTRUCTIONS) < 300, size
