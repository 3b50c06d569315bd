"""Steps that may be skipped, what each step waits for, and the outputs that would be missing without a guard.

A step *may be skipped* in a run that goes on: it has `when`, or `on_error: skip`, or `expires: {then: skip}`, or it
waits for a failure, or it needs, without allowing a skip, a step that may be skipped. In `finally` every step of
`steps` may have failed, been skipped or been cancelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Dict

from orchestrator.domain.policy import RuleKind
from orchestrator.workflow.graph import ordered
from orchestrator.workflow.guards import ANY, ENDINGS, Known, Read, narrow, proved, reads
from orchestrator.workflow.model import OUTCOMES
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.step_draft import StepDraft
from orchestrator.workflow.uses import Checked, Use, references

Needs = dict[str, tuple[str, ...]]
FARTHEST = 300
"""Steps that are looked at, at most, for a need that dominates a reference."""
SUCCEEDED = frozenset({"succeeded"})
RAN = frozenset({"succeeded", "failed"})
SAID = {
    "skipped": "was skipped", "failed": "has failed", "succeeded": "has succeeded", "cancelled": "was cancelled",
}  # fmt: skip
MAY = {"failed": "failed", "skipped": "been skipped", "cancelled": "been cancelled"}


class Skips:
    """Goes through the steps in the order in which they can run; `needs` is what each of them waits for.

    For the steps of `finally`, `past` are those of `steps`.
    """

    def __init__(self, problems: Problems, steps: Dict[str, StepDraft], past: Skips | None = None) -> None:
        self.problems = problems
        self.steps = steps
        self.past = past
        self.needs: dict[str, Needs] = {}
        self.why: dict[str, str] = {}
        self.possible: dict[str, frozenset[str]] = {}
        self.proofs: dict[str, Known] = {}

    def check(self, outputs: Iterable[Checked]) -> dict[str, Needs]:
        """Note every mistake; returns what each step waits for."""
        waits = {name: _waits(draft, self.steps) for name, draft in self.steps.items()}
        sound = ordered(waits)
        rest = [name for name in self.steps if name not in set(sound)]
        for name in [*sound, *rest]:
            self._step(self.steps[name])
        for checked in outputs:
            self._outputs(checked)
        return {name: self.needs[name] for name in self.steps}

    def _step(self, draft: StepDraft) -> None:
        explicit = {
            name: outcomes or OUTCOMES
            for name, (outcomes, _) in draft.needs.items()
            if name in self.steps and name != draft.id
        }
        known = self._at_first(draft)
        for name, outcomes in explicit.items():
            known = narrow(known, name, outcomes)
        condition = next((checked for checked in draft.checked if checked.use.what == "'when'"), None)
        before, known = known, self._condition(draft, condition, known)
        found = [
            (checked.use, read)
            for checked in draft.checked
            for read in reads(checked.tree, before if checked is condition else known)
            if (read.step in self.steps and read.step != draft.id) or self._is_past(read.step)
        ]
        self.needs[draft.id] = _inferred(draft, self.steps, found, before) | explicit
        self.proofs[draft.id] = self._proof(draft.id, known)
        seen: set[str] = set()
        for use, read in found:
            past = self._is_past(read.step)
            message = self._missing_at_the_end(read) if past else self._missing(draft, read, explicit)
            if message and message not in seen:
                seen.add(message)
                guard = _guard(use, read, None if past else draft, explicit)
                self.problems.inside(use.text, use.start + read.start, message, guard)
        self._judge(draft)

    def _is_past(self, name: str) -> bool:
        return self.past is not None and name in self.past.steps

    def _at_first(self, draft: StepDraft) -> Known:
        """What is known before anything is tested: of steps that are over, that they may have ended in any way."""
        if self.past is None:
            return {}
        return {name: frozenset(ENDINGS) for name, _ in references(draft.uses) if self._is_past(name)}

    def _condition(self, draft: StepDraft, when: Checked | None, known: Known) -> Known:
        """What is known once `when` was true."""
        if when is None:
            return known
        use, after = when.use, proved(when.tree, known, truth=True)
        for name, outcomes in after.items():
            if not outcomes and known.get(name, ANY):
                allowed = " or ".join(SAID[outcome] for outcome in ENDINGS if outcome in known.get(name, ANY))
                self.problems.inside(
                    use.text,
                    use.start,
                    f"step '{draft.id}' never runs: 'when' cannot be true where step '{name}' {allowed}",
                )
        return after

    def _proof(self, name: str, known: Known) -> Known:
        """What is certain of other steps once this one ran."""
        for other, outcomes in self.needs[name].items():
            known = narrow(known, other, outcomes)
        return known

    def _missing(self, draft: StepDraft, read: Read, explicit: Needs) -> str:
        """Why the output that is read may not be there; empty where it is."""
        name = read.step
        outcomes = read.known.get(name, ANY)
        if not outcomes or outcomes == SUCCEEDED:
            return ""
        if "succeeded" not in outcomes:
            return _never(name, outcomes)
        if name in explicit:
            lets = [SAID[outcome] for outcome in OUTCOMES[1:] if outcome in outcomes and outcome in explicit[name]]
            if lets and not self.dominated(name, read.known):
                return (
                    f"'needs' lets step '{draft.id}' start where step '{name}' {' or '.join(lets)}, without an output"
                )
            return ""
        if name not in self.why or "skipped" not in outcomes or self.dominated(name, read.known):
            return ""
        return (
            f"step '{name}' may be skipped ({self.why[name]}), and step '{draft.id}' would be skipped with it unasked"
        )

    def _missing_at_the_end(self, read: Read) -> str:
        """Why `finally` may not find the output that it reads; empty where it does."""
        name, outcomes = read.step, read.known.get(read.step, ANY)
        if not outcomes or outcomes == SUCCEEDED or self.dominated(name, read.known):
            return ""
        if "succeeded" not in outcomes:
            return _never(name, outcomes)
        *several, last = [word for outcome, word in MAY.items() if outcome in outcomes]
        may = f"{', '.join(several)} or {last}" if several else last
        return f"step '{name}' may have {may}, and then it has no output"

    def _outputs(self, checked: Checked) -> None:
        use = checked.use
        seen: set[str] = set()
        for read in reads(checked.tree, {}):
            name, outcomes = read.step, read.known.get(read.step, ANY)
            if name in seen or name not in self.why or "skipped" not in outcomes or self.dominated(name, read.known):
                continue
            seen.add(name)
            message = f"step '{name}' may be skipped ({self.why[name]}), and then it has no output"
            self.problems.inside(use.text, use.start + read.start, message, _guard(use, read, None, {}))

    def dominated(self, name: str, known: Known) -> bool:
        """Whether a step that certainly ran can only have run after `name` had succeeded."""
        if self.past is not None and self.past.dominated(name, known):
            return True
        waiting = [step for step, outcomes in known.items() if outcomes and outcomes <= RAN and step in self.proofs]
        seen = set(waiting)
        while waiting and len(seen) < FARTHEST:
            proof = self.proofs[waiting.pop()]
            if proof.get(name, ANY) == SUCCEEDED:
                return True
            further = {step for step, outcomes in proof.items() if outcomes <= RAN and step in self.proofs} - seen
            seen |= further
            waiting += further
        return False

    def _judge(self, draft: StepDraft) -> None:
        """Which outcomes the step can have, and why it may be skipped; note one that can never run."""
        name, when = draft.id, draft.values.get("when", "true")
        runs = when != "false"
        if not runs and draft.when is not None:
            self.problems.at(draft.when, f"step '{name}' never runs: 'when' is always false", "leave the step out")
        for other, allowed in self.needs[name].items():
            can = self.possible.get(other, ANY)
            if not can & frozenset(allowed):
                runs = False
                if other in draft.needs and can != {"skipped"}:
                    never = f"step '{name}' can never start: step '{other}' is never skipped"
                    self.problems.at(draft.needs[other][1], never)
        misses = any(self.possible.get(other, ANY) - set(allowed) for other, allowed in self.needs[name].items())
        outcomes = RAN if runs else frozenset()
        why = self._why(draft, when)
        self.possible[name] = outcomes | ({"skipped"} if why or misses or not runs else frozenset())
        if why:
            self.why[name] = why

    def _why(self, draft: StepDraft, when: str) -> str:
        """Why a step may be skipped in a run that goes on; empty if it may not."""
        if when != "true":
            return "it has 'when'"
        if "foreach" not in draft.values and any(
            rule.kind is RuleKind.SKIP for rule in draft.values.get("on_error", ())
        ):
            return "it has 'on_error: skip'"
        expires = draft.values.get("expires")
        if expires is not None and expires.then == "skip" and "foreach" not in draft.values:
            return "it has 'expires: {then: skip}'"
        for other, allowed in self.needs[draft.id].items():
            if "succeeded" not in allowed:
                return f"it waits for step '{other}' to {_become(allowed)}"
            if other in self.why and "skipped" not in allowed:
                return f"it needs step '{other}', which may be skipped"
        return ""


def _waits(draft: StepDraft, steps: Dict[str, StepDraft]) -> set[str]:
    """The other steps that a step reads or names in `needs`, as far as they exist."""
    named = {name for name, _ in references(draft.uses)} | draft.needs.keys()
    return (named & steps.keys()) - {draft.id}


def _inferred(draft: StepDraft, steps: Dict[str, StepDraft], found: list[tuple[Use, Read]], before: Known) -> Needs:
    """What the references ask for: the output a success, also a skip where every reference is guarded against one."""
    needs: Needs = {}
    for name, attribute in references(draft.uses):
        if name in steps and name != draft.id:
            needs[name] = ("succeeded",) if attribute == "output" or needs.get(name) == ("succeeded",) else OUTCOMES
    for name in (name for name, outcomes in needs.items() if outcomes == ("succeeded",)):
        here = [read for _, read in found if read.step == name]
        guarded = here and all("skipped" not in read.known.get(name, ANY) for read in here)
        if guarded and "skipped" in before.get(name, ANY):
            needs[name] = ("succeeded", "skipped")
    return needs


def _guard(use: Use, read: Read, draft: StepDraft | None, explicit: Needs) -> str:
    """The guard to write."""
    test, path = f'steps.{read.step}.status == "succeeded"', read.path[:100]
    if "succeeded" not in read.known.get(read.step, ANY):
        return f"read steps.{read.step}.error" if "failed" in read.known[read.step] else ""
    if use.wants == "BOOL":
        guard = f"write {test} && …"
    else:
        other = "[]" if use.wants == "LIST" else "null" if use.whole else '""'
        guard = f"write {test} ? {path} : {other}"
    if draft is None:
        return guard
    if read.step in explicit:
        return f"{guard}, or needs: {{{read.step}: [succeeded]}}"
    return f"{guard}, or needs: [{read.step}]"


def _never(name: str, outcomes: frozenset[str]) -> str:
    became = " or ".join(SAID[outcome] for outcome in ENDINGS if outcome in outcomes)
    return f"step '{name}' {became} here, so it never has an output"


def _become(allowed: tuple[str, ...]) -> str:
    return " or ".join({"failed": "fail", "skipped": "be skipped"}.get(outcome, outcome) for outcome in allowed)
