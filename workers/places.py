"""Where this project lies. Relative paths in inputs count from its root, whichever process the worker runs in."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from workers.failures import Refused

PROJECT_ROOT = Path(__file__).resolve().parent.parent
OUT = "out"


def project_root() -> Path:
    """The folder that holds `workers/`, `graphs/` and `out/`; a dependency of the workers that read or write."""
    return PROJECT_ROOT


def shown(path: Path, root: Path) -> str:
    """The path as people should read it: from the root where it lies below it, else whole."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def folder_at(root: Path, name: str) -> Path:
    """The folder of that name, absolute or from the project's root.

    Raises:
        Refused: `folder_missing`.
    """
    folder = root / name
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise Refused("folder_missing", f"the folder {shown(folder, root)} {what}; relative paths count from {root}")
    return folder


def output_file(root: Path, name: str) -> Path:
    """The place of `name` below the project's `out/` folder.

    Args:
        root: the project's root.
        name: a relative path such as `brief.md` or `triage/m-1.md`.

    Raises:
        Refused: `path_outside`, when the name leads out of the folder or is the folder itself.
    """
    folder = (root / OUT).resolve()
    path = (folder / name).resolve() if "\0" not in name else folder
    if path == folder or not path.is_relative_to(folder):
        raise Refused("path_outside", f"{name!r} is not a file below {OUT}/; give a relative name such as brief.md")
    return path


def write_whole(path: Path, text: str) -> int:
    """Write a file so that a reader sees the old one or the new one, never half of it, whoever else writes it.

    Returns:
        Bytes written.
    """
    data = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid4().hex}.part")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return len(data)
