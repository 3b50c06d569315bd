"""What the readers of one file share: its problems, and the names that it may use."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.domain.worker import UNCLAIMED, Catalogue, WorkerCard, WorkerKind
from orchestrator.workflow.cel_tokens import LITERALS, TYPES
from orchestrator.workflow.fields import as_text
from orchestrator.workflow.model import ModelTier
from orchestrator.workflow.problems import FileText, LocatedText, Problems
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.uses import Use
from orchestrator.workflow.yaml_nodes import LONGEST_TEXT, Mapping, Node, Scalar

ID = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
ID_MEANS = "it begins with a small letter and goes on with small letters, digits and _, 63 at most"
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
IDENTIFIER_MEANS = "it consists of letters, digits and _, 63 at most"
POOL = re.compile(r"[a-z][a-z0-9_.-]{0,39}", re.ASCII)
POOL_MEANS = "it begins with a small letter and goes on with small letters, digits, _, . and -, 40 at most"
CEL_KEYWORDS = (
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
)  # fmt: skip
CEL_WORDS = LITERALS | TYPES | frozenset(CEL_KEYWORDS)
LONGEST_PROMPT = 1_000_000
MOST_FILES = 100
"""Files that one load may open besides the first."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A named validator: the reading of the file in which it stands, and its body (None after a mistake)."""

    reading: Reading
    body: Mapping | None


@dataclass(slots=True)
class Reading:
    """One workflow file as it is read; the readings of the files that it takes over with `use` share all names.

    Attributes:
        folder: where prompt files are looked for; None where there is no file.
        catalogue: the registered workers, None where they are not known.
        model_tiers: the tiers of `configs/models.yaml`, None where they are not known.
        models: the workflow's own tiers.
        policies: for each named policy its `retry` and `timeout` as written.
        validators: those that steps may call by name.
        definitions: the expressions of `validators`, apart from any step.
        places: where each model, policy and validator is defined, as `file:line:column`.
        used: the files that have been read for `use`.
        secrets: the names that the workflow declares.
        trail: the workflow files that lead here by `uses`, this one last; empty where there is no file.
        files: every file besides the first that was opened in this load.
    """

    problems: Problems
    folder: Path | None
    catalogue: Catalogue | None
    model_tiers: Collection[str] | None
    models: dict[str, ModelTier] = field(default_factory=dict)
    policies: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)
    validators: dict[str, Definition] = field(default_factory=dict)
    definitions: list[Use] = field(default_factory=list)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    used: set[Path] = field(default_factory=set)
    secrets: dict[str, Node] = field(default_factory=dict)
    trail: tuple[Path, ...] = ()
    files: set[Path] = field(default_factory=set)

    def claims(self, kind: str, key: Scalar) -> bool:
        """Whether a name is new; noted with both places where it is not."""
        at = (kind, key.text)
        if at in self.places:
            message = f"{kind} '{key.text[:60]}' is defined twice"
            self.problems.at(key, message, f"it stands already at {self.places[at]}")
            return False
        self.places[at] = f"{self.problems.file}:{key.line + 1}:{key.column + 1}"
        return True

    def card(self, node: Node, kind: WorkerKind) -> tuple[str | None, WorkerCard | None]:
        """A registered worker or validator by the name at a node; the card is None where it is not known."""
        name = as_text(self.problems, node, f"'{WorkerKind.WORKER}'")
        if name in UNCLAIMED:
            self.problems.at(node, f"'{name}' is no worker", "write kind: human or kind: workflow")
            return name, None
        if name is None or self.catalogue is None:
            return name, None
        card = self.catalogue.get(name)
        if card is None:
            known = [other.name for other in self.catalogue.values() if other.kind is kind]
            self.problems.at(node, f"unknown {kind} '{name[:80]}'", suggest(name, known))
        elif card.kind is not kind:
            self.problems.at(node, f"'{name}' is a {card.kind}, not a {kind}")
        else:
            return name, card
        return name, None

    def model(self, node: Node) -> tuple[str | None, float | None]:
        """The tier of `configs/models.yaml` behind a tier's name, and the cap of its price for one call."""
        name = as_text(self.problems, node, "'model'")
        if name is None:
            return None, None
        if name in self.models:
            return self.models[name].model, self.models[name].price_cap_usd
        self.tier(node, name)
        return name, None

    def tier(self, node: Node, name: str, *, own: bool = True) -> None:
        """Note a name that is no tier; `own` says whether the workflow's own tiers count."""
        if self.model_tiers is None or name in self.model_tiers:
            return
        known = {*self.model_tiers, *(self.models if own else ())}
        self.problems.at(node, f"unknown model '{name[:80]}'", suggest(name, known))

    def other_file(self, node: Node, name: str, what: str) -> Path | None:
        """Where another file is that the file names; `what` is the key that names it."""
        if self.folder is None:
            self.problems.at(node, f"{what} needs a workflow file that it can be relative to")
            return None
        try:
            return (self.folder / name).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            self.problems.at(node, f"cannot read '{name[:200]}': {why_unreadable(error)}")
            return None

    def text_of(self, node: Node, name: str, path: Path) -> str | None:
        """The text of another file."""
        if path not in self.files and len(self.files) >= MOST_FILES:
            self.problems.at(node, f"more than {MOST_FILES} files are used")
            return None
        self.files.add(path)
        try:
            with path.open(encoding="utf-8") as stream:
                return stream.read(LONGEST_TEXT + 1)
        except (OSError, ValueError) as error:
            self.problems.at(node, f"cannot read '{name[:200]}': {why_unreadable(error)}")
            return None

    def prompt_file(self, node: Node) -> LocatedText | None:
        """The text of a prompt file; its path is relative to the workflow file."""
        name = as_text(self.problems, node, "'file'")
        if name is None:
            return None
        if self.folder is None:
            self.problems.at(node, "a prompt file needs a workflow file that it can be relative to")
            return None
        try:
            with (self.folder / name).open(encoding="utf-8") as stream:
                text = stream.read(LONGEST_PROMPT + 1)
        except (OSError, ValueError) as error:
            self.problems.at(node, f"cannot read prompt file '{name[:200]}': {why_unreadable(error)}")
            return None
        if len(text) > LONGEST_PROMPT:
            self.problems.at(node, f"prompt file '{name[:200]}' is longer than {LONGEST_PROMPT:,} characters")
            return None
        return FileText(text, str(Path(self.problems.file).parent / name))


def circle(trail: tuple[Path, ...], path: Path) -> str:
    """The names of the files that lead back to a path."""
    return " → ".join(step.name for step in (*trail[trail.index(path) :], path))


def why_unreadable(error: Exception) -> str:
    """Why a text file could not be read."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (getattr(error, "strerror", None) or str(error)).lower()
