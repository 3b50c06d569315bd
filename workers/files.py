"""Finds the documents below a folder, and reads the text of one: plain text, Markdown, HTML, PDF."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from workers.failures import Refused
from workers.html_text import decoded_html, page_of
from workers.pdf_text import pdf_text

SUFFIXES = (".html", ".htm", ".md", ".pdf", ".txt")
IGNORED_FOLDERS = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})
MAX_FILE_BYTES = 20_000_000


def documents_below(folder: Path) -> list[Path]:
    """Every file with one of `SUFFIXES`, in order of path; hidden ones and those of installed packages are left out.

    Raises:
        Refused: `file_unreadable`: a folder cannot be looked into.
    """
    return sorted(_walk(folder), key=lambda path: path.relative_to(folder).as_posix())


def printable(path: Path) -> str:
    """The path with `/`; bytes of a file name that are no UTF-8 are written out, because JSON cannot hold them."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def file_bytes(path: Path, name: str) -> bytes:
    """The bytes of a file.

    Raises:
        Refused: `file_unreadable`: it is no file, cannot be opened, or has more than `MAX_FILE_BYTES`.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Refused("file_unreadable", f"{name} is no file, but a pipe, a device or a folder")
        size = found.st_size
        if size > MAX_FILE_BYTES:
            raise Refused("file_unreadable", f"{name} has {size:,} bytes, more than the {MAX_FILE_BYTES:,} allowed")
        return path.read_bytes()
    except OSError as error:
        raise Refused("file_unreadable", f"cannot read {name}: {error.strerror or error}") from error


def text_of(data: bytes, name: str) -> str:
    """The text of a document by the suffix of its name; pages of a PDF are parted by form feeds.

    Args:
        data: the file.
        name: its path as messages show it.

    Raises:
        Refused: `file_unreadable`, with the reason; `extra_missing`.
    """
    match Path(name).suffix.lower():
        case ".pdf":
            return pdf_text(data, name)
        case ".html" | ".htm":
            return _checked(page_of(decoded_html(data)).text, name)
    try:
        return _checked(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError as error:
        wrong = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
        raise Refused("file_unreadable", f"{name} is not UTF-8 text ({wrong})") from error


def _checked(text: str, name: str) -> str:
    if "\0" in text:
        raise Refused("file_unreadable", f"{name} is not text (NUL byte at offset {text.index(chr(0))})")
    return text


def _walk(folder: Path) -> Iterator[Path]:
    for place, below, files in os.walk(folder, onerror=_refuse_folder):
        below[:] = [name for name in below if not name.startswith(".") and name not in IGNORED_FOLDERS]
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(place, name)


def _refuse_folder(error: OSError) -> None:
    raise Refused("file_unreadable", f"cannot look into {error.filename}: {error.strerror or error}") from error
