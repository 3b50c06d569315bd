"""Imports the project's worker packages and registers what they declare."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from orchestrator.errors import OrchestratorError, ProjectError
from orchestrator.project.packs import add_pack
from orchestrator.settings import Settings
from orchestrator.worker import Registry


def load_registry(settings: Settings) -> Registry:
    """Import every module of the project's worker packages, its root on `sys.path`; then its worker packs.

    Raises:
        ProjectError: a package or pack is not there, a module does not import, or two workers have one name; the
            message leads with the place.
    """
    registry = Registry()
    if settings.worker_modules:
        _import_modules(settings, registry)
    for name in settings.worker_packs:
        add_pack(registry, name)
    return registry


def _import_modules(settings: Settings, registry: Registry) -> None:
    root = str(settings.root)
    if root not in sys.path:
        sys.path.insert(0, root)
    importlib.invalidate_caches()
    for name in settings.worker_modules:
        _forget_another(name, settings.root)
        for module in _modules(name, settings.root):
            registry.collect(module)


def _modules(name: str, root: Path) -> Iterator[ModuleType]:
    """The module, and every module below it."""
    package = _import(name, root)
    yield package
    for info in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{name}."):
        if not info.name.endswith(".__main__"):
            yield from _modules(info.name, root)


def _import(name: str, root: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ProjectError(
                f"{root / 'pyproject.toml'}: there is no package or module {name!r} in {root}",
                remedy="mend `workers` in [tool.orchestrator]",
            ) from error
        raise _failure(name, error, root) from error
    except ProjectError:
        raise
    except (Exception, SystemExit) as error:
        raise _failure(name, error, root) from error


def _failure(name: str, error: BaseException, root: Path) -> ProjectError:
    text = str(error) if isinstance(error, OrchestratorError) else f"{type(error).__name__}: {error}"
    return ProjectError(f"{_place(error, root)}: the module {name} does not import: {text}")


def _place(error: BaseException, root: Path) -> str:
    """The file and line to look at: the syntax error's own, else the last one inside the project."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    inside = [frame for frame in inside if "site-packages" not in frame.filename]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else str(root)


def _forget_another(name: str, root: Path) -> None:
    """Drop a package of this name that was imported from another place, such as another project's `workers`."""
    top = name.partition(".")[0]
    known = sys.modules.get(top)
    if known is None or _lies_in(known, root):
        return
    for module in [module for module in sys.modules if module == top or module.startswith(f"{top}.")]:
        del sys.modules[module]
    sys.path.remove(str(root))
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()


def _lies_in(module: ModuleType, root: Path) -> bool:
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", ()))
    return any(Path(place).resolve().is_relative_to(root) for place in places if place)
