"""Checks every expression against what it may see: names, fields, types."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Dict

from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_messages import function_hint
from orchestrator.workflow.cel_tokens import Path, bound_names, paths
from orchestrator.workflow.cel_tree import Tree, tree_of
from orchestrator.workflow.expression_types import ExpressionTypes
from orchestrator.workflow.expressions import Expressions
from orchestrator.workflow.graph import cycle
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.shapes import Shape, broad, words
from orchestrator.workflow.step_draft import StepDraft
from orchestrator.workflow.step_shapes import StepShapes
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.uses import EVERYWHERE, STEP_FIELDS, Checked, Use

CHECKER = Expressions()
WANTED = {"BOOL": ("true or false", "boolean"), "LIST": ("a list", "array"), "STRING": ("text", "string")}
ONLY_REPEAT = {
    "previous": "only 'repeat.with' sees it",
    "iteration": "only 'until' and 'repeat.with' see it",
}
TYPE_WORDS = {
    "INT": "a number",
    "DOUBLE": "a number",
    "UINT": "a number",
    "STRING": "text",
    "BOOL": "true or false",
    "NULL": "null",
    "LIST": "a list",
    "MAP": "a mapping",
}


class ExpressionCheck:
    """Checks expressions against the inputs and steps of one workflow; `endings` are those of `finally`."""

    def __init__(
        self, problems: Problems, shapes: StepShapes, steps: Dict[str, StepDraft], endings: Dict[str, StepDraft]
    ) -> None:
        self.problems = problems
        self.inputs = shapes.inputs
        self.shapes = shapes
        self.steps = steps
        self.endings = endings

    def all(self, uses: Iterable[Use], step: StepDraft | None = None) -> list[Checked]:
        """Check the expressions of a step, or of the outputs; returns the sound ones."""
        return [checked for use in uses if (checked := self.check(use, step)) is not None]

    def check(self, use: Use, step: StepDraft | None) -> Checked | None:
        """Note what CEL finds in an expression; if nothing, every name and field in it that is not known."""
        bound, seen = bound_names(use.expression), EVERYWHERE | use.scope.names
        read = [path for path in paths(use.expression) if path.root not in bound]
        before = len(self.problems.found)
        kind = self._compile(use, seen | {path.root for path in read})
        for path in read if kind is not None else ():
            self._path(use, path)
        for name in sorted(bound & seen):
            self._note(use, 0, f"a macro's variable is called '{name}', as one that is there already", "rename it")
        if kind not in (None, "DYN") and use.wants and not str(kind).startswith(use.wants):
            gives = TYPE_WORDS.get(str(kind).split("<", maxsplit=1)[0], str(kind).lower())
            self._note(use, 0, f"{use.what} must be {WANTED[use.wants][0]}, this gives {gives}")
        tree = tree_of(use.expression)
        if tree is None or len(self.problems.found) > before:
            return None
        self._types(use, tree, step)
        return Checked(use, tree)

    def _types(self, use: Use, tree: Tree, step: StepDraft | None) -> None:
        types = ExpressionTypes(self.shapes.of_step, lambda *found: self._note(use, *found))
        shape = types.shape(tree, self.shapes.names(step, use.scope))
        self._fits(use, shape)
        later = step.later_keys if step is not None else ()
        for path in paths(use.expression) if later else ():
            first = (path.root, *path.fields[:1])
            if path.root in ("with", "input") and first[-1] in later and first not in types.tested:
                message = f"'{'.'.join(first)}' is there from the second iteration on only"
                self._note(use, path.start, message, f"write it under 'with' too, or ask has({'.'.join(first)})")

    def _fits(self, use: Use, shape: Shape | None) -> None:
        shape = shape and shape.resolved()
        if shape is None or not use.wants:
            return
        word, kind = WANTED[use.wants]
        if shape.kinds and kind not in broad(shape.kinds):
            self._note(use, 0, f"{use.what} must be {word}, this gives {words(shape.kinds)}")

    def grammar(self, use: Use) -> None:
        """Note what CEL alone finds in the expression of a definition; its names depend on the step that calls it."""
        self._compile(use, EVERYWHERE | use.scope.names | {path.root for path in paths(use.expression)})

    def _note(self, use: Use, offset: int, message: str, suggestion: str = "") -> None:
        message += f", in step '{use.scope.step}'" if use.shared else ""
        self.problems.inside(use.text, use.start + offset, message, suggestion)

    def _compile(self, use: Use, names: frozenset[str]) -> str | None:
        """The static type of an expression; None after a mistake of its grammar, functions or types."""
        try:
            return CHECKER.result_type(use.expression, names)
        except ExpressionError as error:
            hint = function_hint(error.message) or use.text.hint(error.message)
            self.problems.inside(use.text, use.start + max(error.column - 1, 0), error.message, hint)
            return None

    def _path(self, use: Use, path: Path) -> None:
        seen = EVERYWHERE | use.scope.names
        if path.root == "secrets" and "secrets" not in seen:
            hint = "the step lists it under 'secrets' and its worker reads it with ctx.secret"
            self._note(use, path.start, "expressions cannot read secrets", hint)
        elif path.root not in seen:
            hint = ONLY_REPEAT.get(path.root) or suggest(path.root, seen)
            self._note(use, path.start, f"unknown name '{path.root[:60]}'", hint)
        elif path.root == "steps":
            self._step(use, path)
        elif path.root == "inputs":
            self._field(use, path, self.inputs, "unknown input")
        elif path.root == "run":
            self._run(use, path)
        elif path.root == "with" and use.scope.with_keys is not None:
            self._field(use, path, use.scope.with_keys, "unknown field of 'with':")

    def _field(self, use: Use, path: Path, known: Iterable[str], what: str) -> None:
        if path.fields and path.fields[0] not in known:
            name = path.fields[0]
            self._note(use, path.parts[0].start, f"{what} '{name[:60]}'", suggest(name, known))

    def _run(self, use: Use, path: Path) -> None:
        if path.fields[:1] == ("status",) and not use.scope.ending:
            self._note(use, path.parts[0].start, "unknown field of 'run': 'status'", "only 'finally' sees it")
        else:
            self._field(use, path, use.scope.run_fields, "unknown field of 'run':")

    def _step(self, use: Use, path: Path) -> None:
        if not path.fields:
            self._note(use, path.start, "a step must be named", "write steps.NAME.output")
            return
        name, at = path.fields[0], path.parts[0].start
        if name == use.scope.step:
            known = use.scope.names & {"output", "previous"}
            hint = "use 'output'" if "output" in known else "use 'previous.output'" if known else ""
            self._note(use, at, f"step '{name}' reads itself", hint)
        elif name in self.endings and not use.scope.ending:
            self._note(use, at, f"step '{name}' belongs to 'finally', which runs after all this")
        elif name not in self.steps and name not in self.endings:
            visible = {*self.steps, *(self.endings if use.scope.ending else ())}
            self._note(use, at, f"unknown step '{name[:60]}'", suggest(name, visible - {use.scope.step}))
        elif len(path.fields) < 2:
            self._note(use, at, f"read a field of step '{name}'", "known: error, output, status")
        elif path.fields[1] not in STEP_FIELDS:
            field = path.fields[1]
            self._note(use, path.parts[1].start, f"a step has no '{field[:60]}'", suggest(field, STEP_FIELDS))


def check_needs(
    problems: Problems, draft: StepDraft, steps: Dict[str, StepDraft], endings: Dict[str, StepDraft]
) -> None:
    """Note every step in `needs` that cannot be waited for: `endings` are those of `finally`."""
    own, others = (endings, steps) if draft.scope.ending else (steps, endings)
    for name, (_, node) in draft.needs.items():
        if name == draft.id:
            problems.at(node, f"step '{name}' needs itself")
        elif name in own:
            continue
        elif name not in others:
            problems.at(node, f"unknown step '{name[:60]}'", suggest(name, [step for step in own if step != draft.id]))
        elif draft.scope.ending:
            problems.at(node, f"step '{name}' has settled when 'finally' begins", "leave it out")
        else:
            problems.at(node, f"step '{name}' belongs to 'finally', which runs after all this")


def check_cycle(problems: Problems, needs: Dict[str, Dict[str, object]], steps: Dict[str, StepDraft]) -> None:
    """Note a circle of steps that wait for each other, as a path."""
    found = cycle(needs)
    if found:
        problems.at(steps[found[0]].key, f"steps wait for each other: {' → '.join(found)}")
