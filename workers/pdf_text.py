"""The text of a PDF, page by page."""

from __future__ import annotations

import threading

from workers.extras import needed
from workers.failures import Refused

PAGE_BREAK = "\f"
MAX_PAGES = 5_000

_one_at_a_time = threading.Lock()
"""PDFium may not be entered by two threads."""


def pdf_text(data: bytes, name: str) -> str:
    """The text of all pages, parted by form feeds, so that the page of a place can be counted.

    Args:
        data: the file.
        name: for messages.

    Raises:
        Refused: `file_unreadable`: encrypted, broken, too many pages, or no text (a scan); `extra_missing`.
    """
    pdfium = needed("pypdfium2", "to read PDF")
    with _one_at_a_time:
        try:
            document = pdfium.PdfDocument(data)
        except pdfium.PdfiumError as error:
            why = (
                "is encrypted; save it without a password" if "assword" in str(error) else f"is no whole PDF ({error})"
            )
            raise Refused("file_unreadable", f"{name} {why}") from error
        try:
            if len(document) > MAX_PAGES:
                raise Refused("file_unreadable", f"{name} has {len(document):,} pages, more than {MAX_PAGES:,}")
            pages = [_page_text(page) for page in document]
        except pdfium.PdfiumError as error:
            raise Refused("file_unreadable", f"{name} has a page that cannot be read ({error})") from error
        finally:
            document.close()
    if not any(pages):
        raise Refused("file_unreadable", f"{name} holds no text on its {len(pages)} pages: a scan? run OCR over it")
    return PAGE_BREAK.join(pages)


def _page_text(page: object) -> str:
    text_page = page.get_textpage()  # type: ignore[attr-defined]
    try:
        text: str = text_page.get_text_bounded()
    finally:
        text_page.close()
        page.close()  # type: ignore[attr-defined]
    # U+FFFE stands for a hyphen that a line break made, U+0002 likewise in older PDFium.
    joined = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\x02\n", "")
    return joined.replace("\ufffe", "").replace("\x02", "").replace(PAGE_BREAK, "\n").replace("\0", "").strip()
