"""How pools are shown while `orchestrator up` runs."""

from __future__ import annotations

import io

from rich.console import Console

from orchestrator.cli.pools_view import LiveView, PlainView, pools_table
from orchestrator.domain.scaling import PoolLoad, ScalingPolicy
from orchestrator.placement import PoolState

POLICIES = {"io": ScalingPolicy(max=4, slots=8), "agents": ScalingPolicy(min=1, max=2, slots=3)}
STATES = [
    PoolState("io", PoolLoad(queued=1200, running=16, wait=3.2, serving=2), wanted=4),
    PoolState("agents", PoolLoad(serving=1), wanted=1),
]


def console() -> Console:
    return Console(file=io.StringIO(), width=100, highlight=False, force_terminal=False)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


def test_the_table_shows_who_is_up_and_who_is_wanted():
    shown = console()
    shown.print(pools_table(STATES, {"io": 4, "agents": 1}, POLICIES))
    rows = [" ".join(line.split()) for line in text(shown).splitlines()]
    assert rows[0] == "pool processes of running slots queued oldest waits"
    assert rows[1] == "io 2 → 4 0 to 4 16 16 1,200 3.2 s"
    assert rows[2] == "agents 1 1 to 2 0 3 0 -"


def test_elsewhere_only_changes_are_lines():
    shown = console()
    with PlainView(shown, "here we are") as view:
        for states in (STATES, STATES, [PoolState("io", PoolLoad(serving=4), wanted=0), STATES[1]]):
            view.show(states, {"io": 4, "agents": 1})
        view.tell("io-1 | [not markup]")
    lines = [line.split("s  ", 1)[1] for line in text(shown).splitlines()]
    assert lines == [
        "here we are",
        "io: 0 → 4 processes (queued 1200, oldest 3.2 s, running 16)",
        "agents: 0 → 1 processes (queued 0, oldest 0 ms, running 0)",
        "io: 4 → 0 processes (queued 0, oldest 0 ms, running 0)",
        "io-1 | [not markup]",
    ]


def test_lines_stay_above_the_live_table():
    shown = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with LiveView(shown, POLICIES, "title") as view:
        view.show(STATES, {"io": 4, "agents": 1})
        view.tell("slow-1 was killed")
    assert "1,200" in text(shown)
    assert "slow-1 was killed" in text(shown)
