"""Worker packs: workers of installed distributions, published in the entry-point group `orchestrator.workers`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from orchestrator.errors import OrchestratorError, ProjectError
from orchestrator.worker import Registry
from orchestrator.workflow.suggestions import suggest

GROUP = "orchestrator.workers"


def installed_packs() -> dict[str, list[EntryPoint]]:
    """What is installed, by the name that `worker_packs` uses; more than one only where distributions disagree."""
    found: dict[str, list[EntryPoint]] = {}
    for each in entry_points(group=GROUP):
        if each not in found.setdefault(each.name, []):
            found[each.name].append(each)
    return dict(sorted(found.items()))


def add_pack(registry: Registry, name: str) -> None:
    """Import a pack and register its workers.

    Args:
        registry: gets them.
        name: of the entry point. It leads to a module, whose workers are taken as a project's are, to one worker, or
            to a list or tuple of them.

    Raises:
        ProjectError: no installed distribution has it, two have it, it does not import, or it holds no worker.
    """
    found = _entry_point(name)
    place = f"the worker pack {name!r} ({_distribution(found)}: {found.value})"
    try:
        loaded = found.load()
    except (Exception, SystemExit) as error:
        text = str(error) if isinstance(error, OrchestratorError) else f"{type(error).__name__}: {error}"
        raise ProjectError(f"{place} does not import: {text}") from error
    before = len(registry)
    if isinstance(loaded, ModuleType):
        registry.collect(loaded)
        if len(registry) == before:
            raise ProjectError(f"{place}: the module has no worker at its top")
        return
    for item in loaded if isinstance(loaded, list | tuple) else (loaded,):
        try:
            registry.add(item)
        except ProjectError as error:
            raise ProjectError(f"{place}: {error.message}", remedy=error.remedy) from None


def _entry_point(name: str) -> EntryPoint:
    installed = installed_packs()
    found = installed.get(name, [])
    if len(found) > 1:
        owners = ", ".join(sorted(_distribution(each) for each in found))
        raise ProjectError(f"more than one worker pack is called {name!r}: {owners}", remedy="uninstall all but one")
    if not found:
        hint = suggest(name, installed) if installed else "none is installed"
        raise ProjectError(
            f"no installed distribution publishes a worker pack {name!r}" + (f" ({hint})" if hint else ""),
            remedy="install it, or mend `worker_packs` in [tool.orchestrator]",
        )
    return found[0]


def _distribution(found: EntryPoint) -> str:
    return f"{found.dist.name} {found.dist.version}" if found.dist is not None else "an unknown distribution"
