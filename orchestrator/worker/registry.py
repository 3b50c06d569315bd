"""`Registry`: the workers that a process knows, each name once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from orchestrator.domain.worker import AGENT_POOL, JUDGE_POOL, PLANNER_POOL, Catalogue, WorkerKind
from orchestrator.errors import NotFound, ProjectError
from orchestrator.worker.declaration import Worker
from orchestrator.workflow.suggestions import suggest


class Registry:
    """Workers by name. Nothing is registered by being declared: what is added here counts, and nothing else.

    Args:
        workers: the first to add.
    """

    def __init__(self, workers: Iterable[object] = ()) -> None:
        self._workers: dict[str, Worker[..., Any]] = {}
        for item in workers:
            self.add(item)

    def add(self, item: object) -> None:
        """Add one declared worker, validator or tool; the same object again changes nothing.

        Raises:
            ProjectError: it is not declared, or another has its name (both places are named).
        """
        if not isinstance(item, Worker):
            raise ProjectError(
                f"{item!r} is not a worker",
                remedy="declare it with @worker(…), @validator(…), @tool(…) or as_worker(…)",
            )
        known = self._workers.get(item.name)
        if known is not None and known is not item:
            raise ProjectError(f"two workers are called {item.name!r}: {known.place} and {item.place}")
        self._workers[item.name] = item

    def collect(self, module: ModuleType) -> None:
        """Add every worker that stands at the top of a module, also inside a list or tuple there.

        Raises:
            ProjectError: two different workers have one name.
        """
        for value in list(vars(module).values()):
            for item in value if isinstance(value, list | tuple) else (value,):
                if isinstance(item, Worker):
                    self.add(item)

    def get(self, name: str) -> Worker[..., Any]:
        """The worker of that name.

        Raises:
            NotFound: there is none; names the nearest.
        """
        try:
            return self._workers[name]
        except KeyError:
            hint = suggest(name, self._workers)
            raise NotFound(f"no worker is called {name!r}" + (f" ({hint})" if hint else "")) from None

    @property
    def catalogue(self) -> Catalogue:
        """The cards of all workers, validators and tools, by name."""
        return {name: item.card for name, item in sorted(self._workers.items())}

    @property
    def pools(self) -> tuple[str, ...]:
        """Every pool that some worker serves by itself, and those of agents, judges and planners."""
        own = {AGENT_POOL, JUDGE_POOL, PLANNER_POOL}
        return tuple(sorted({item.card.pool for item in self if item.card.pool} | own))

    def named(self, kind: WorkerKind) -> tuple[str, ...]:
        """The names of one kind, sorted."""
        return tuple(sorted(item.name for item in self if item.card.kind is kind))

    def __iter__(self) -> Iterator[Worker[..., Any]]:
        return iter(list(self._workers.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._workers

    def __len__(self) -> int:
        return len(self._workers)
