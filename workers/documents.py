"""Read documents, split them, show a model with a small context the telling parts, and save what was made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from orchestrator import Context, Depends, worker
from workers.excerpts import excerpt_of
from workers.failures import Refused
from workers.files import SUFFIXES, documents_below, file_bytes, printable, text_of
from workers.passages import Passage, Splitting, split
from workers.pdf_text import PAGE_BREAK
from workers.places import folder_at, output_file, project_root, shown, write_whole
from workers.sentences import key_sentences, segments

MIN_TEXT = 40
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


@worker("documents.read_folder", pool="documents", process=True, timeout="10m")
def read_folder(input: FolderIn, ctx: Context, root: Annotated[Path, Depends(project_root)]) -> FolderOut:
    """Read every .md, .txt, .html and .pdf of a folder, in order of path.

    Raises:
        Refused: `folder_missing`, `folder_empty`, `file_unreadable`, `extra_missing`.
    """
    folder = folder_at(root, input.folder)
    found = documents_below(folder)
    if not found:
        raise Refused("folder_empty", f"there is no {' or '.join(SUFFIXES)} file in {shown(folder, root)}")
    documents: list[Document] = []
    skipped: list[Skipped] = []
    left_out: list[str] = []
    for place, path in enumerate(found):
        name = printable(path.relative_to(folder))
        if len(documents) == input.max_documents:
            left_out.append(name)
            continue
        ctx.progress(place / len(found), name)
        ctx.heartbeat(file=name)
        try:
            text = text_of(file_bytes(path, name), name)
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


class FileIn(Splitting):
    """Which file, and how to split it.

    Attributes:
        file: absolute, or from the project's root; `.txt`, `.md`, `.html`, `.htm` or `.pdf`.
        max_passages: the first ones; the output says how many there are.
    """

    file: str = Field(min_length=1)
    max_passages: int = Field(default=1_000, ge=1, le=20_000)


class FileOut(BaseModel):
    """The passages of a document, which together hold all of it.

    Attributes:
        path: from the project's root.
        characters: of the whole text; offsets of the passages count in it.
        pages: of a PDF; None else.
        total: passages that there are.
    """

    path: str
    characters: int
    pages: int | None
    total: int
    passages: list[Passage]


@worker("documents.split_file", pool="documents", process=True, timeout="10m")
def split_file(input: FileIn, root: Annotated[Path, Depends(project_root)]) -> FileOut:
    """Read one document whole, and split it into passages at headings, paragraphs and sentences.

    Raises:
        Refused: `file_missing`, `file_unreadable`, `format_unknown`, `extra_missing`.
    """
    path = root / input.file
    name = shown(path, root)
    if not path.is_file():
        raise Refused("file_missing", f"the file {name} does not exist; relative paths count from {root}")
    if path.suffix.lower() not in SUFFIXES:
        raise Refused("format_unknown", f"{name} is none of {', '.join(SUFFIXES)}")
    text = text_of(file_bytes(path, name), name)
    passages = split(text, characters=input.characters, overlap=input.overlap)
    return FileOut(
        path=name,
        characters=len(text),
        pages=text.count(PAGE_BREAK) + 1 if path.suffix.lower() == ".pdf" else None,
        total=len(passages),
        passages=passages[: input.max_passages],
    )


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


def _document(name: str, text: str, limit: int) -> Document:
    excerpt = excerpt_of(text, limit)
    return Document(
        path=name,
        characters=len(text),
        read_characters=excerpt.characters,
        text=excerpt.text,
        candidates=key_sentences(excerpt.text, CANDIDATES),
    )
