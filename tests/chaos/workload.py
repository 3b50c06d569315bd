"""The work: seeded workflows of some twenty steps each, with everything in them that could be lost or done twice."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEAN_SECONDS = 0.1
LONGEST_SECONDS = 2.0
LOOK_BACK = 4

MIX: Mapping[str, int] = {
    "nap": 6, "thread": 1, "effect": 3, "effects": 1, "fan": 2, "judged": 2, "flaky": 1, "again": 1, "child": 1,
    "agent": 1, "skipped": 1,
}  # fmt: skip
"""How many steps of each sort a workflow has."""

MANY_TRIES = {"max_attempts": 20, "backoff": {"initial": "100ms", "max": "1s"}}
"""What is lost is tried again for as long as the disturbances may last."""

IN_DOUBT = [{"if": 'error.class == "in_doubt"', "do": "continue", "output": {"count": 99, "trouble": 0, "revision": 0}}]

FLOOD = "chaos_flood"
CHILD = "chaos_child"
FAILING = "_failing"
"""How the names of workflows end whose runs must fail."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A workflow file.

    Attributes:
        name: of the workflow; the file is called so too.
        text: YAML.
    """

    name: str
    text: str

    def write(self, folder: Path) -> Path:
        """Put it into a folder; gives the file."""
        file = folder / f"{self.name}.yaml"
        file.write_text(self.text)
        return file


def shapes(seed: int, number: int) -> list[Shape]:
    """So many different workflows; every fourth has a step that fails for good, every other a `finally`."""
    return [_shape(f"chaos_{at}", random.Random(f"{seed}/{at}"), at) for at in range(number)]


def child() -> Shape:
    """The workflow of child runs."""
    steps = {
        "one": _work("nap", {"seconds": 0.05}),
        "two": _work("effect", {"seconds": 0.05}, needs=["one"]),
        "three": _work("nap", {"count": "${{ steps.two.output.count }}"}),
    }
    return _as_shape(CHILD, steps, outputs={"count": "${{ steps.three.output.count }}"})


def flood() -> Shape:
    """A fan-out that fills the queue: behind everything else."""
    items = {"items": "${{ inputs.items }}", "as": "item"}
    steps = {"work": {**_work("nap", {"count": "${{ item }}"}), "foreach": items, "priority": -10}}
    return _as_shape(FLOOD, steps, inputs={"items": {"type": "array", "items": {"type": "integer"}}})


def _shape(name: str, source: random.Random, at: int) -> Shape:
    sorts = [sort for sort, times in MIX.items() for _ in range(times)]
    source.shuffle(sorts)
    steps: dict[str, Any] = {}
    before: list[str] = []
    for number, sort in enumerate(sorts):
        recent = before[-LOOK_BACK:]
        needs = sorted(source.sample(recent, min(source.randint(1, 2), len(recent))))
        step = f"s{number}_{sort}"
        steps[step] = _STEPS[sort](source, needs)
        if sort != "skipped":  # it has no output, and whoever needs it would be skipped too
            before.append(step)
    if at % 4 == 3:
        name += FAILING
        steps["broken"] = _work("broken", {"seconds": _seconds(source)}, needs=before[:1])
    last = {"last": _work("effect", {"seconds": 0.02})} if at % 2 else {}
    return _as_shape(name, steps, **({"finally": last} if last else {}))


def _as_shape(name: str, steps: Mapping[str, Any], **others: Any) -> Shape:
    head = {"api": "orchestrator/v1", "name": name, "version": "1.0.0", "defaults": {"retry": MANY_TRIES}}
    # JSON is YAML.
    return Shape(name, json.dumps({**head, **others, "steps": steps}, indent=1))


def _work(sort: str, given: Mapping[str, Any], needs: list[str] | None = None) -> dict[str, Any]:
    doubt = {"on_error": IN_DOUBT} if sort == "effect" else {}
    return {"kind": "worker", "worker": f"chaos.{sort}", "with": given, **_needs(needs or []), **doubt}


def _needs(needs: list[str]) -> dict[str, Any]:
    return {"needs": needs} if needs else {}


def _seconds(source: random.Random) -> float:
    location = math.log(MEAN_SECONDS) - 0.5
    return round(min(LONGEST_SECONDS, source.lognormvariate(location, 1.0)), 3)


def _plain(sort: str, trouble: int = 0) -> Callable[[random.Random, list[str]], dict[str, Any]]:
    def made(source: random.Random, needs: list[str]) -> dict[str, Any]:
        return _work(sort, {"seconds": _seconds(source), "trouble": source.randint(0, trouble)}, needs)

    return made


def _fan(sort: str) -> Callable[[random.Random, list[str]], dict[str, Any]]:
    def made(source: random.Random, needs: list[str]) -> dict[str, Any]:
        items = [_seconds(source) for _ in range(source.randint(2, 5))]
        return {**_work(sort, {"seconds": "${{ nap }}"}, needs), "foreach": {"items": items, "as": "nap"}}

    return made


def _judged(source: random.Random, needs: list[str]) -> dict[str, Any]:
    return {
        **_plain("draft", trouble=2)(source, needs),
        "validate": [{"worker": "chaos.judge"}, {"expr": "output.count == 0"}],
        "on_invalid": [{"do": "revise", "times": 3}],
    }


def _again(source: random.Random, needs: list[str]) -> dict[str, Any]:
    again = {"until": "output.count >= 3", "max": 5, "with": {"count": "${{ previous.output.count }}"}}
    return {**_work("effect", {"seconds": _seconds(source) / 2, "count": 0}, needs), "repeat": again}


def _child(source: random.Random, needs: list[str]) -> dict[str, Any]:
    return {"kind": "workflow", "uses": f"./{CHILD}.yaml", **_needs(needs)}


def _agent(source: random.Random, needs: list[str]) -> dict[str, Any]:
    return {"kind": "agent", "model": "small", "pool": "judges", "prompt": "Say a word.", **_needs(needs)}


def _skipped(source: random.Random, needs: list[str]) -> dict[str, Any]:
    return {**_plain("nap")(source, needs), "when": "run.tenant == 'nobody'"}


_STEPS: Mapping[str, Callable[[random.Random, list[str]], dict[str, Any]]] = {
    "nap": _plain("nap"),
    "thread": _plain("thread"),
    "effect": _plain("effect"),
    "effects": _fan("effect"),
    "fan": _fan("nap"),
    "judged": _judged,
    "flaky": _plain("flaky", trouble=2),
    "again": _again,
    "child": _child,
    "agent": _agent,
    "skipped": _skipped,
}
