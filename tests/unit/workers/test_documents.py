from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workers.papers import PAGE, pdf
from tests.unit.workers.samples import TEXT
from workers.documents import FileOut, FolderOut, read_folder, save_text, split_file
from workers.failures import Refused
from workers.files import MAX_FILE_BYTES
from workers.sentences import EXCERPT_BREAK, normalised, segments


def write(root: Path, name: str, content: str | bytes = TEXT) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


async def read(**fields: Any) -> FolderOut:
    out = await read_folder.test(**fields)
    assert isinstance(out, FolderOut)
    return out


async def refusal(worker: Any, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await worker.test(**fields)
    return caught.value


async def test_every_text_below_the_folder_is_read_in_order_of_path(root: Path) -> None:
    for name in ("docs/z.md", "docs/a/b.TXT", "docs/a.md", "docs/picture.png", "docs/.secret.md"):
        write(root, name)
    for name in (".git/x.md", "node_modules/x.md", ".venv/x.txt", "a/__pycache__/x.txt"):
        write(root, f"docs/{name}")
    out = await read(folder="docs")
    assert [document.path for document in out.documents] == ["a.md", "a/b.TXT", "z.md"]
    assert out.documents[0].text == TEXT
    assert out.documents[0].characters == out.documents[0].read_characters == len(TEXT)
    assert out.left_out == out.skipped == []


async def test_what_max_documents_leaves_out_is_listed(root: Path) -> None:
    for name in "abcd":
        write(root, f"docs/{name}.md")
    out = await read(folder="docs", max_documents=2)
    assert [document.path for document in out.documents] == ["a.md", "b.md"]
    assert out.left_out == ["c.md", "d.md"]


async def test_a_file_with_too_little_text_is_skipped_and_does_not_count(root: Path) -> None:
    write(root, "docs/a.md", "Too short.\n")
    write(root, "docs/b.md")
    out = await read(folder="docs", max_documents=1)
    assert [document.path for document in out.documents] == ["b.md"]
    assert [(skipped.path, "less than 40" in skipped.why) for skipped in out.skipped] == [("a.md", True)]


async def test_of_two_megabytes_the_beginning_middle_and_end_are_read(root: Path) -> None:
    lines = [f"Line number {number:06d} of a long document says something.\n" for number in range(38_000)]
    write(root, "docs/long.txt", "".join(lines))
    (document,) = (await read(folder="docs", excerpt_characters=3_000)).documents
    assert document.characters == len("".join(lines)) > 2_000_000
    assert 2_500 < document.read_characters <= 3_000
    parts = segments(document.text)
    assert document.text.count(EXCERPT_BREAK) == 2
    assert parts[0].startswith("Line number 000000")
    assert abs(int(parts[1].split()[2]) - 19_000) < 60
    assert parts[2].endswith("037999 of a long document says something.")
    whole = normalised("".join(lines))
    assert all(part in whole for part in parts)
    assert (await read(folder="docs", excerpt_characters=3_000)).documents == [document]


async def test_a_text_of_one_endless_line_is_cut_to_size_too(root: Path) -> None:
    write(root, "docs/line.txt", "x" * 100_000)
    (document,) = (await read(folder="docs", excerpt_characters=2_000)).documents
    assert document.read_characters == 2_000
    assert len(document.candidates) == 1


@pytest.mark.parametrize("folder", ["nowhere", "file.md"])
async def test_a_folder_that_is_none_is_refused_by_name(root: Path, folder: str) -> None:
    write(root, "file.md")
    error = await refusal(read_folder, folder=folder)
    assert error.code == "folder_missing"
    assert folder in str(error)


async def test_a_folder_without_texts_is_refused(root: Path) -> None:
    write(root, "docs/picture.png")
    assert (await refusal(read_folder, folder="docs")).code == "folder_empty"
    write(root, "docs/empty.md", " \n\n ")
    assert (await refusal(read_folder, folder="docs")).code == "folder_empty"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"caf\xe9 and more", "byte 0xe9 at offset 3"), (b"text\0more", "NUL byte at offset 4")],
)
async def test_a_file_that_is_no_text_fails_by_name_or_is_skipped(root: Path, content: bytes, says: str) -> None:
    write(root, "docs/bad.txt", content)
    write(root, "docs/good.txt")
    error = await refusal(read_folder, folder="docs")
    assert error.code == "file_unreadable"
    assert "bad.txt" in str(error)
    assert says in str(error)
    out = await read(folder="docs", unreadable="skip")
    assert [skipped.path for skipped in out.skipped] == ["bad.txt"]
    assert [document.path for document in out.documents] == ["good.txt"]


async def test_a_file_that_cannot_be_opened_or_is_huge_is_refused_by_name(root: Path) -> None:
    (root / "docs").mkdir()
    (root / "docs/gone.md").symlink_to(root / "nowhere.md")
    error = await refusal(read_folder, folder="docs")
    assert (error.code, "gone.md" in str(error)) == ("file_unreadable", True)
    (root / "docs/gone.md").unlink()
    os.mkfifo(root / "docs/pipe.md")
    error = await refusal(read_folder, folder="docs")
    assert (error.code, "pipe.md is no file, but a pipe" in str(error)) == ("file_unreadable", True)
    (root / "docs/pipe.md").unlink()
    with (root / "docs/huge.md").open("wb") as huge:
        huge.truncate(MAX_FILE_BYTES + 1)
    error = await refusal(read_folder, folder="docs")
    assert (error.code, "20,000,001 bytes" in str(error)) == ("file_unreadable", True)


async def test_a_file_name_that_is_not_utf8_can_still_be_stored(root: Path) -> None:
    write(root, "docs/\udce9.md")
    assert [document.path for document in (await read(folder="docs")).documents] == ["\\udce9.md"]


async def test_a_byte_order_mark_is_no_part_of_the_text(root: Path) -> None:
    write(root, "docs/bom.txt", b"\xef\xbb\xbf" + TEXT.encode())
    assert (await read(folder="docs")).documents[0].text == TEXT


async def test_a_text_is_saved_below_out_and_replaces_the_old_one(root: Path) -> None:
    for text in ("old", "né"):
        saved = await save_text.test(name="a/brief.md", text=text)
    assert (saved.path, saved.bytes) == ("out/a/brief.md", 3)
    assert (root / "out/a/brief.md").read_text() == "né"
    assert [path.name for path in (root / "out/a").iterdir()] == ["brief.md"]


async def test_two_who_write_one_file_do_not_mix(root: Path) -> None:
    texts = [letter * 3_000_000 for letter in "abcd"]
    await asyncio.gather(*(save_text.test({"name": "one.md", "text": text}) for text in texts))
    assert (root / "out/one.md").read_text() in texts
    assert [path.name for path in (root / "out").iterdir()] == ["one.md"]


@pytest.mark.parametrize("name", ["../brief.md", "a/../../x.md", "/etc/brief.md", ".", "a\0b"])
async def test_a_name_that_leads_out_of_the_folder_is_refused(root: Path, name: str) -> None:
    assert (await refusal(save_text, name=name, text="x")).code == "path_outside"
    assert not (root / "brief.md").exists()


async def test_a_link_does_not_lead_out_of_the_folder_either(root: Path) -> None:
    (root / "out").mkdir()
    (root / "elsewhere").mkdir()
    (root / "out/link").symlink_to(root / "elsewhere")
    assert (await refusal(save_text, name="link/x.md", text="x")).code == "path_outside"


async def test_a_place_that_cannot_be_written_is_named(root: Path) -> None:
    write(root, "out/file", "x")
    error = await refusal(save_text, name="file/brief.md", text="x")
    assert (error.code, "out/file/brief.md" in str(error)) == ("file_unwritable", True)


async def test_pdf_and_html_are_read_like_text(root: Path) -> None:
    write(root, "docs/a.pdf", pdf(PAGE, "The second page speaks of the harbour master."))
    write(root, "docs/b.html", f"<nav>Menu</nav><main><h1>Ferry</h1><p>{PAGE}</p></main><script>no()</script>")
    first, second = (await read(folder="docs")).documents
    assert first.text == f"{PAGE}\fThe second page speaks of the harbour master."
    assert second.text == f"# Ferry\n\n{PAGE}"
    assert second.candidates == [PAGE]


BAD_FILES = {
    "a-password.pdf": (pdf(PAGE, password="secret"), "is encrypted"),
    "b-broken.pdf": (b"%PDF-1.7\nnothing more", "is no whole PDF"),
    "c-scan.pdf": (pdf("", ""), "holds no text on its 2 pages"),
    "d-latin.txt": ("Café is written in Latin-1 here.".encode("latin-1"), "is not UTF-8 text"),
    "e-script.html": (b"<script>only()</script>", "less than 40 characters"),
    "f-empty.pdf": (b"", "is no whole PDF"),
    "g-cut.pdf": (pdf(PAGE)[:400], "is no whole PDF"),
}


async def test_every_bad_file_is_skipped_with_its_reason_and_the_good_one_read(root: Path) -> None:
    for name, (content, _) in BAD_FILES.items():
        write(root, f"docs/{name}", content)
    write(root, "docs/good.md")
    out = await read(folder="docs", unreadable="skip")
    assert [document.path for document in out.documents] == ["good.md"]
    assert [skipped.path for skipped in out.skipped] == list(BAD_FILES)
    for skipped in out.skipped:
        assert BAD_FILES[skipped.path][1] in skipped.why


async def test_a_pdf_of_two_hundred_pages_is_split_with_its_pages(root: Path) -> None:
    write(root, "long.pdf", pdf(*[f"Page {number} says: {PAGE}" for number in range(1, 201)]))
    out = await split_file.test(file="long.pdf", characters=500)
    assert isinstance(out, FileOut)
    assert (out.pages, out.total) == (200, 200)
    assert [passage.page for passage in out.passages] == list(range(1, 201))
    assert out.passages[150].text == f"Page 151 says: {PAGE}"


async def test_passages_are_counted_beyond_the_limit(root: Path) -> None:
    write(root, "docs/a.md", TEXT * 20)
    out = await split_file.test(file="docs/a.md", characters=300, overlap=50, max_passages=3)
    assert len(out.passages) == 3 < out.total
    assert out.pages is None
    assert out.characters == len(TEXT * 20)
    whole = TEXT * 20
    assert all(whole[passage.start : passage.end] == passage.text for passage in out.passages)


@pytest.mark.parametrize(("file", "code"), [("gone.md", "file_missing"), ("docs/p.png", "format_unknown")])
async def test_a_file_that_cannot_be_split_is_refused(root: Path, file: str, code: str) -> None:
    write(root, "docs/p.png")
    assert (await refusal(split_file, file=file)).code == code
