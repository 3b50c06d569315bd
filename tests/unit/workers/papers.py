"""PDF files that the tests make."""

from __future__ import annotations

import io

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

PAGE = "The ferry leaves at seven and comes back at nine."


def pdf(*pages: str, password: str | None = None) -> bytes:
    """A PDF with one line of text on each page; an empty page for an empty text."""
    buffer = io.BytesIO()
    encryption = StandardEncryption(password, strength=128) if password else None
    canvas = Canvas(buffer, encrypt=encryption)
    for page in pages:
        for number, line in enumerate(page.splitlines()):
            canvas.drawString(72, 720 - 14 * number, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()
