"""Steps that may be skipped, what each step waits for, and the outputs that would be missing without a guard.

A step *may be skipped* in a run that goes on: it has `when`, or `on_error: skip`, or it waits for a failure, or it
needs, without allowing a skip, a step that may be skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Dict

from orchestrator.domain.policy import RuleKind
from orchestrator.workflow.graph import ordered
from orchestrator.workflow.guards import ANY, Known, Read, narrow, proved, reads
from orchestrator.workflow.model import OUTCOMES
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.step_reader import StepDraft
from orchestrator.workflow.uses import Checked, Use, references

Needs = dict[str, tuple[str, ...]]
FARTHEST = 300
"""Steps that are looked at, at most, for a need that dominates a reference."""
SUCCEEDED = frozenset({"succeeded"})
RAN = frozenset({"succeeded", "failed"})
SAID = {"skipped": "was skipped", "failed": "has failed", "succeeded": "has succeeded"}


class Skips:
    """Goes through the steps in the order in which they can run; `needs` is what each of them waits for."""

    def __init__(self, problems: Problems, steps: Dict[str, StepDraft]) -> None:
        self.problems = problems
        self.steps = steps
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
        known: Known = {}
        for name, outcomes in explicit.items():
            known = narrow(known, name, outcomes)
        condition = next((checked for checked in draft.checked if checked.use.what == "'when'"), None)
        before, known = known, self._condition(draft, condition, known)
        found = [
            (checked.use, read)
            for checked in draft.checked
            for read in reads(checked.tree, before if checked is condition else known)
            if read.step in self.steps and read.step != draft.id
        ]
        self.needs[draft.id] = _inferred(draft, self.steps, found, before) | explicit
        self.proofs[draft.id] = self._proof(draft.id, known)
        seen: set[str] = set()
        for use, read in found:
            message = self._missing(draft, read, explicit)
            if message and message not in seen:
                seen.add(message)
                self.problems.inside(use.text, use.start + read.start, message, _guard(use, read, draft, explicit))
        self._judge(draft)

    def _condition(self, draft: StepDraft, when: Checked | None, known: Known) -> Known:
        """What is known once `when` was true."""
        if when is None:
            return known
        use, after = when.use, proved(when.tree, known, truth=True)
        for name, outcomes in after.items():
            if not outcomes and known.get(name, ANY):
                allowed = " or ".join(SAID[outcome] for outcome in OUTCOMES if outcome in known.get(name, ANY))
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
            became = " or ".join(SAID[outcome] for outcome in OUTCOMES if outcome in outcomes)
            return f"step '{name}' {became} here, so it never has an output"
        if name in explicit:
            lets = [SAID[outcome] for outcome in OUTCOMES[1:] if outcome in outcomes and outcome in explicit[name]]
            if lets and not self._dominated(name, read.known):
                return (
                    f"'needs' lets step '{draft.id}' start where step '{name}' {' or '.join(lets)}, without an output"
                )
            return ""
        if name not in self.why or "skipped" not in outcomes or self._dominated(name, read.known):
            return ""
        return (
            f"step '{name}' may be skipped ({self.why[name]}), and step '{draft.id}' would be skipped with it unasked"
        )

    def _outputs(self, checked: Checked) -> None:
        use = checked.use
        seen: set[str] = set()
        for read in reads(checked.tree, {}):
            name, outcomes = read.step, read.known.get(read.step, ANY)
            if name in seen or name not in self.why or "skipped" not in outcomes or self._dominated(name, read.known):
                continue
            seen.add(name)
            message = f"step '{name}' may be skipped ({self.why[name]}), and then it has no output"
            self.problems.inside(use.text, use.start + read.start, message, _guard(use, read, None, {}))

    def _dominated(self, name: str, known: Known) -> bool:
        """Whether a step that certainly ran can only have run after `name` had succeeded."""
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


def _become(allowed: tuple[str, ...]) -> str:
    return " or ".join({"failed": "fail", "skipped": "be skipped"}.get(outcome, outcome) for outcome in allowed)
