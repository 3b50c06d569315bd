"""Read a folder of texts for a model with a small context, and save what was made of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from orchestrator import Context, Depends, worker
from workers.excerpts import excerpt_of
from workers.failures import Refused
from workers.places import output_file, project_root, shown, write_whole
from workers.sentences import key_sentences, segments

SUFFIXES = frozenset({".md", ".txt"})
IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})
MIN_TEXT = 40
MAX_FILE_BYTES = 20_000_000
CANDIDATES = 3


class Document(BaseModel):
    """A text as far as it is read.

    Attributes:
        path: from the folder that was asked for, with `/`.
        characters: of the whole document.
        read_characters: of them in `text`.
        text: the document, or an excerpt whose gaps are marked by a line `[…]`.
        candidates: sentences of it that look telling: a foothold for a small model.
    """

    path: str
    characters: int
    read_characters: int
    text: str
    candidates: list[str] = []


class Skipped(BaseModel):
    """A file that was not used, and why."""

    path: str
    why: str


class FolderIn(BaseModel):
    """Which folder, and how much of it.

    Attributes:
        folder: absolute, or from the project's root.
        max_documents: the first ones by path are read, the others are listed as left out.
        excerpt_characters: how much of a long document the model gets to see.
        unreadable: whether a file that cannot be read ends the step or is listed as skipped.
    """

    folder: str = Field(min_length=1)
    max_documents: int = Field(default=40, ge=1)
    excerpt_characters: int = Field(default=2_500, ge=500, le=100_000)
    unreadable: Literal["fail", "skip"] = "fail"


class FolderOut(BaseModel):
    """The documents by path, and every file that is not among them."""

    documents: list[Document]
    left_out: list[str]
    skipped: list[Skipped]


@worker("documents.read_folder", pool="documents")
def read_folder(input: FolderIn, ctx: Context, root: Annotated[Path, Depends(project_root)]) -> FolderOut:
    """Read every .md and .txt of a folder, in order of path.

    Raises:
        Refused: `folder_missing`, `folder_empty`, `file_unreadable`.
    """
    folder = root / input.folder
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise Refused("folder_missing", f"the folder {shown(folder, root)} {what}; relative paths count from {root}")
    found = _texts_below(folder)
    if not found:
        raise Refused("folder_empty", f"there is no .md or .txt file in {shown(folder, root)}")
    documents: list[Document] = []
    skipped: list[Skipped] = []
    left_out: list[str] = []
    for place, path in enumerate(found):
        name = _printable(path.relative_to(folder))
        if len(documents) == input.max_documents:
            left_out.append(name)
            continue
        ctx.progress(place / len(found), name)
        try:
            text = _decoded(path, name)
        except Refused as error:
            if input.unreadable == "fail":
                raise
            skipped.append(Skipped(path=name, why=str(error)))
            continue
        document = _document(name, text, input.excerpt_characters)
        if max(map(len, segments(document.text)), default=0) < MIN_TEXT:
            skipped.append(Skipped(path=name, why=f"has less than {MIN_TEXT} characters of text"))
        else:
            documents.append(document)
    if not documents:
        raise Refused("folder_empty", f"none of the {len(found)} files in {shown(folder, root)} holds text to quote")
    ctx.log.info("folder read", documents=len(documents), left_out=len(left_out), skipped=len(skipped))
    return FolderOut(documents=documents, left_out=left_out, skipped=skipped)


class SaveIn(BaseModel):
    """A text and its name below the project's `out/` folder."""

    name: str = Field(min_length=1)
    text: str


class SaveOut(BaseModel):
    """Where it is now: from the project's root, with `/`."""

    path: str
    bytes: int


@worker("documents.save_text", pool="documents")
def save_text(input: SaveIn, root: Annotated[Path, Depends(project_root)]) -> SaveOut:
    """Write a text below `out/`, in place of an earlier one of that name.

    Raises:
        Refused: `path_outside`, `file_unwritable`.
    """
    path = output_file(root, input.name)
    try:
        size = write_whole(path, input.text)
    except OSError as error:
        raise Refused("file_unwritable", f"cannot write {shown(path, root)}: {error.strerror or error}") from error
    return SaveOut(path=shown(path, root.resolve()), bytes=size)


def _texts_below(folder: Path) -> list[Path]:
    return sorted(_walk(folder), key=lambda path: path.relative_to(folder).as_posix())


def _walk(folder: Path) -> Iterator[Path]:
    for place, below, files in os.walk(folder, onerror=_refuse_folder):
        below[:] = [name for name in below if not name.startswith(".") and name not in IGNORED_FOLDERS]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(place, name)


def _refuse_folder(error: OSError) -> None:
    raise Refused("file_unreadable", f"cannot look into {error.filename}: {error.strerror or error}") from error


def _printable(path: Path) -> str:
    """The path with `/`; bytes of a file name that are no UTF-8 are written out, because JSON cannot hold them."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def _decoded(path: Path, name: str) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise Refused("file_unreadable", f"{name} has {size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Refused("file_unreadable", f"cannot read {name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
        raise Refused("file_unreadable", f"{name} is not UTF-8 text ({wrong})") from error
    if "\0" in text:
        raise Refused("file_unreadable", f"{name} is not text (NUL byte at offset {text.index(chr(0))})")
    return text


def _document(name: str, text: str, limit: int) -> Document:
    excerpt = excerpt_of(text, limit)
    return Document(
        path=name,
        characters=len(text),
        read_characters=excerpt.characters,
        text=excerpt.text,
        candidates=key_sentences(excerpt.text, CANDIDATES),
    )
