"""The language in one place: every key, what it takes, what it means. The readers and the editors' schema follow it.

A key's `takes` is a JSON Schema; `#/$defs/…` in it are the shared types of `editor_schema.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.budget import OnExceed
from orchestrator.domain.outcome import INFRASTRUCTURE_ERRORS
from orchestrator.domain.policy import RemedyKind, RuleKind
from orchestrator.domain.worker import MAX_STEPS, MAX_TURNS

API = "orchestrator/v1"
Takes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: a JSON Schema of its value, and one sentence for people, with the default."""

    takes: Takes
    says: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """The keys of one kind of mapping; `rules` are JSON Schemas that the mapping as a whole must fit."""

    keys: Mapping[str, Key]
    rules: tuple[Takes, ...] = ()

    def __contains__(self, key: object) -> bool:
        return key in self.keys

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    def bounds(self, key: str) -> tuple[float, float]:
        """The least and the greatest number that a key takes."""
        takes = self.keys[key].takes
        return takes["minimum"], takes["maximum"]

    def options(self, key: str) -> tuple[str, ...]:
        """The words that a key takes."""
        return tuple(self.keys[key].takes["enum"])


def shared(name: str) -> Takes:
    """A reference to a shared type."""
    return {"$ref": f"#/$defs/{name}"}


def whole(least: int, most: int) -> Takes:
    """A whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


def number(least: float, most: float) -> Takes:
    """A number."""
    return {"type": "number", "minimum": least, "maximum": most}


def amount(most: float) -> Takes:
    """A number above zero."""
    return {"type": "number", "exclusiveMinimum": 0, "maximum": most}


def one_of(*words: str) -> Takes:
    """One of a few words."""
    return {"enum": [str(word) for word in words]}


def list_of(takes: Takes) -> Takes:
    """A list."""
    return {"type": "array", "items": takes}


def by_name(takes: Takes, name: str = "id") -> Takes:
    """A mapping from names to values."""
    return {"type": "object", "propertyNames": shared(name), "additionalProperties": takes}


def only_where(key: str, words: list[str], keys: list[str]) -> Takes:
    """A rule: `keys` go only with some of the words of `key`."""
    told = {"required": [key], "properties": {key: {"enum": words}}}
    return {"if": {"not": told}, "then": {"properties": dict.fromkeys(keys, False)}}


TEXT = shared("text")
DURATION = shared("duration")
CONDITION = shared("condition")
TRUTH: Takes = {"type": "boolean"}
ANYTHING: Takes = {}
TARGET = {
    "model": Key(TEXT, "The tier that the step is handed to (agents only)."),
    "worker": Key(TEXT, "The worker that the step is handed to."),
    "to": Key(one_of("human"), "Hand it to a person."),
}
ESCALATES: tuple[Takes, ...] = (
    {
        "if": {"required": ["do"], "properties": {"do": {"const": "escalate"}}},
        "then": {"oneOf": [{"required": [key]} for key in TARGET]},
        "else": {"properties": dict.fromkeys(TARGET, False)},
    },
)
CHECKERS = ("expr", "worker", "judge")
"""What can judge an output; a validator has exactly one of them."""
ONE_CHECK: Takes = {"oneOf": [{"required": [key]} for key in CHECKERS]}
CHECK_KEYS: tuple[Takes, ...] = (
    ONE_CHECK,
    {
        "if": {"required": ["expr"]},
        "then": {"properties": {"timeout": False}},
        "else": {"properties": {"message": False}},
    },
)

BACKOFF = Section({
    "initial": Key(DURATION, "The wait before the second try. Default: 500ms."),
    "factor": Key(number(1, 100), "What each wait is multiplied by. Default: 2."),
    "max": Key(DURATION, "The longest wait. Default: 30s."),
    "jitter": Key(TRUTH, "Whether waits are shortened at random, by half at most. Default: true."),
})  # fmt: skip
RETRY = Section({
    "max_attempts": Key(whole(1, 100), "Tries in all, the first one counted. Default: 3."),
    "errors": Key(list_of(one_of(*INFRASTRUCTURE_ERRORS)), "The infrastructure errors to retry. Default: all."),
    "backoff": Key(shared("backoff"), "How long to wait between tries."),
})  # fmt: skip
TIMEOUT = Section({
    "attempt": Key(DURATION, "For one attempt, from when a worker takes it. Default: the worker's own."),
    "idle": Key(DURATION, "Since the last heartbeat, once one was sent. Default: none."),
    "total": Key(DURATION, "For the step with all its attempts, from when it was ready. Default: none."),
})  # fmt: skip
POLICY = Section({
    "retry": Key(shared("retry"), "What to do about infrastructure errors."),
    "timeout": Key(shared("timeouts"), "How long an attempt or the step may take; a duration is for the attempt."),
})  # fmt: skip
MODEL = Section({
    "model": Key(TEXT, "A tier of configs/models.yaml.", required=True),
    "price_cap_usd": Key(number(0, 1_000_000), "The most that one call may cost. Default: no cap."),
})  # fmt: skip
DEFAULTS = Section({
    "policy": Key(TEXT, "The name of a policy."),
    **POLICY.keys,
    "model": Key(TEXT, "The model of agents that name none."),
})  # fmt: skip
JUDGE = Section({
    "model": Key(TEXT, "A tier of the workflow's models or of configs/models.yaml.", required=True),
    "rubric": Key(shared("prompt"), "What a good output is; sees output and with.", required=True),
    "min_score": Key(number(0, 1), "The least score of a vote for the output. Default: 0.7."),
    "votes": Key(whole(1, 9), "How often the model is asked, an odd number; the majority counts. Default: 1."),
    "on_abstain": Key(one_of("fail", "pass"), "What it means if most votes abstain. Default: fail."),
})  # fmt: skip
CHECK = Section({
    "expr": Key(CONDITION, "A CEL expression over output, input, inputs, steps and run that must be true."),
    "worker": Key(TEXT, "A registered validator."),
    "judge": Key(shared("judge"), "A model that judges the output by a rubric."),
    "message": Key(TEXT, "What is said where the expression is false."),
    "timeout": Key(DURATION, "For the validator's attempt. Default: its own."),
}, rules=CHECK_KEYS)  # fmt: skip
STEP_CHECK = Section({
    "name": Key(TEXT, "What the verdict is called. Default: the expression, the validator's name, or judge."),
    **CHECK.keys,
}, rules=CHECK_KEYS)  # fmt: skip
REMEDY = Section({
    "do": Key(one_of(*RemedyKind), "What to do about a bad output.", required=True),
    "times": Key(whole(1, 100), "How often, before the next remedy is tried. Default: 1."),
    **TARGET,
}, rules=(*ESCALATES, only_where("do", ["revise", "escalate"], ["times"])))  # fmt: skip
RULE = Section({
    "if": Key(CONDITION, "A CEL expression over error, inputs, steps and run. Default: every error."),
    "do": Key(one_of(*RuleKind), "What to do about the error.", required=True),
    "output": Key(ANYTHING, "The output to go on with. Default: null."),
    **TARGET,
}, rules=(*ESCALATES, only_where("do", ["continue"], ["output"])))  # fmt: skip
FOREACH = Section({
    "items": Key(shared("items"), "The list: written out, or ${{ … }} that gives one.", required=True),
    "as": Key(shared("identifier"), "The name by which expressions see an item.", required=True),
    "max_parallel": Key(whole(1, 100_000), "How many items at once. Default: all."),
    "on_item_error": Key(one_of("fail", "collect"), "Fail the step, or collect {ok, value, error}. Default: fail."),
    "min_success": Key(number(0, 1), "With collect: the fraction of items that must succeed. Default: 0."),
}, rules=(only_where("on_item_error", ["collect"], ["min_success"]),))  # fmt: skip
REPEAT = Section({
    "until": Key(CONDITION, "A CEL expression over output and iteration that ends it when true.", required=True),
    "max": Key(whole(1, 1_000), "How many iterations at most; when none is left, the step has failed.", required=True),
    "with": Key({"type": "object"}, "What is put over 'with' from the second iteration on; sees previous.output."),
})  # fmt: skip
LIMITS = {
    "usd": Key(amount(1_000_000), "USD. Default: no limit."),
    "tokens": Key(whole(1, 10**12), "Tokens, read and written together. Default: no limit."),
    "wall": Key(DURATION, "Time, but for the time in which the run waits for people only. Default: no limit."),
}
BUDGET = Section({
    **LIMITS,
    "on_exceed": Key(one_of(*OnExceed), "Ask a person, fail, or take a cheaper model where one fits. Default: pause."),
}, rules=({"anyOf": [{"required": [key]} for key in LIMITS]},))  # fmt: skip
EXPIRES = Section({
    "after": Key(DURATION, "How long a person has to answer.", required=True),
    "then": Key(one_of("fail", "skip"), "What becomes of the step then. Default: fail."),
})  # fmt: skip
PROMPT_FILE = Section({"file": Key(TEXT, "A text file, relative to the workflow file.", required=True)})
RUN_TIMEOUT = Section({
    "total": Key(DURATION, "For the step with all its child runs, from when it was ready. Default: none."),
})  # fmt: skip

STEP = Section({
    "kind": Key({}, "What the step is.", required=True),
    "description": Key(TEXT, "For people."),
    "needs": Key(shared("needs"), "Steps that must have settled first: a list, or a map to the outcomes that will do."),
    "when": Key(CONDITION, "A CEL expression; where it is false the step is skipped. Default: true."),
    "with": Key({"type": "object"}, "The input; its text may hold ${{ … }}."),
    "foreach": Key(shared("foreach"), "One item for every element of a list."),
    "validate": Key(list_of(shared("step_validator")), "Checks of every output, in order."),
    "on_invalid": Key(list_of(shared("remedy")), "What to do about a bad output, in order. Default: fail."),
    "on_error": Key(list_of(shared("rule")), "What to do about an error after the retries. Default: fail."),
    "priority": Key(whole(-1_000_000, 1_000_000), "Higher goes first. Default: 0."),
}, rules=({"not": {"required": ["foreach", "repeat"]}},))  # fmt: skip
WORK = Section({
    "output": Key(shared("schema"), "A JSON Schema that the output must fit."),
    "repeat": Key(shared("repeat"), "Again until the output is good enough."),
    "policy": Key(TEXT, "The name of a policy."),
    **POLICY.keys,
})  # fmt: skip
CLAIMED = Section({
    "secrets": Key(list_of(shared("identifier")), "Those of the workflow's secrets that the worker may read."),
    "pool": Key(shared("pool"), "The pool that runs it. Default: the worker's own."),
    "rate": Key(shared("rate"), "How often an attempt may begin, all runs together: 60/m. Default: no limit."),
    "idempotency_key": Key(TEXT, "A template; what the worker's effects are kept under."),
})  # fmt: skip
PROMPT = shared("prompt")
ATTEMPT_BUDGET = Key(shared("budget"), "What each attempt may use, but for wall. Default: what the run has left.")
NAMES: Takes = {**list_of(TEXT), "minItems": 1, "uniqueItems": True}
KINDS: Mapping[str, Section] = {
    "worker": Section({
        "worker": Key(TEXT, "The name of a registered worker.", required=True),
        "budget": ATTEMPT_BUDGET,
        **WORK.keys,
        **CLAIMED.keys,
    }),
    "agent": Section({
        "model": Key(TEXT, "A tier of the workflow's models or of configs/models.yaml. Default: defaults.model."),
        "prompt": Key(PROMPT, "What the model is asked; sees with.x.", required=True),
        "system": Key(PROMPT, "What the model is told about itself."),
        "tools": Key(NAMES, "Workers and tools that the model may call. Default: none."),
        "max_turns": Key(whole(1, 100), f"Calls of the model at most, where it has tools. Default: {MAX_TURNS}."),
        "budget": ATTEMPT_BUDGET,
        **WORK.keys,
        **CLAIMED.keys,
    }, rules=({"dependentRequired": {"max_turns": ["tools"]}},)),
    "workflow": Section({
        "uses": Key(TEXT, "A workflow file, relative to this one; 'with' has its inputs.", required=True),
        "budget": Key(shared("budget"), "What each child run may use. Default: what its own file says."),
        **WORK.keys,
        "timeout": Key(shared("run_timeout"), "How long the step may take."),
    }),
    "plan": Section({
        "goal": Key(TEXT, "A template; what is to be reached. 'with' has what there is for it.", required=True),
        "workers": Key(NAMES, "The workers that the plan may call.", required=True),
        "model": Key(TEXT, "The tier that plans. Default: defaults.model; without one, rules plan."),
        "max_steps": Key(whole(1, 100), f"How many steps a plan has at most. Default: {MAX_STEPS}."),
        "replan": Key(whole(0, 5), "How often a plan may be replaced whose run failed. Default: 0."),
        "approve": Key(TRUTH, "Whether a person sees the plan before it runs. Default: false."),
        "output": Key(shared("schema"), "A JSON Schema with 'properties': what the plan gives. Default: result."),
        "budget": Key(shared("budget"), "What each planning with its run may use. Default: what the run has left."),
        "policy": Key(TEXT, "The name of a policy."),
        "timeout": Key(shared("run_timeout"), "How long the step may take."),
    }),
    "human": Section({
        "form": Key(shared("schema"), "A JSON Schema that a person's answer must fit.", required=True),
        "assignee": Key(TEXT, "A template; who is asked. Default: anybody."),
        "expires": Key(shared("expires"), "What becomes of the step when nobody answers. Default: it waits."),
    }),
}  # fmt: skip
NAMED = {
    "use": Key(list_of(TEXT), "Files, relative to this one, whose models, policies and validators are taken over."),
    "models": Key(by_name(shared("model"), "label"), "The workflow's own tiers."),
    "policies": Key(by_name(shared("policy"), "label"), "Named retry and timeout."),
    "validators": Key(by_name(shared("validator")), "Named validators, for validate."),
}
USED = Section({"api": Key(one_of(API), "The version of the language.", required=True), **NAMED})
STEPS: Takes = {**by_name(shared("step")), "minProperties": 1}
WORKFLOW = Section({
    "api": Key(one_of(API), "The version of the language.", required=True),
    "name": Key(shared("id"), "What the workflow is called.", required=True),
    "version": Key(
        {"type": ["string", "number"], "minLength": 1, "maxLength": 60}, "Pinned by a run with the content. Default: 0."
    ),
    "description": Key(TEXT, "For people."),
    "inputs": Key(by_name(shared("schema"), "identifier"), "A JSON Schema a field; required unless it has a default."),
    "outputs": Key({"type": "object"}, "What a run gives; text may hold ${{ … }}."),
    "secrets": Key(list_of(shared("identifier")), "The names of all secrets that steps ask for."),
    **NAMED,
    "defaults": Key(shared("defaults"), "What steps have where they say nothing else."),
    "budget": Key(shared("budget"), "What a run may use, child runs included. Default: no limit."),
    "steps": Key(STEPS, "The steps, by name.", required=True),
    "finally": Key(STEPS, "Steps that run once all the others have settled, however that was."),
})  # fmt: skip
