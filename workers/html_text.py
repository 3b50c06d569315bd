"""The readable text of an HTML page: headings, paragraphs, lists and tables; no scripts, menus or forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from workers.extras import needed

_ROOTS = ("main", "[role=main]", "article", "body")
_NEVER_READ = (
    "head,script,style,noscript,template,svg,math,iframe,object,canvas,nav,footer,aside,form,button,select,"
    "dialog,[hidden],[aria-hidden=true],[role=navigation],[role=banner],[role=contentinfo],[role=search],body>header"
)
_BLOCKS = (
    "address,article,blockquote,dd,details,div,dl,dt,figcaption,figure,h1,h2,h3,h4,h5,h6,header,hr,li,main,ol,p,pre,"
    "section,summary,table,ul"
)
# Private-use characters stand for what must survive when the source's own whitespace is collapsed.
_BLOCK, _LINE, _CELL, _SPACE = "\ue000", "\ue001", "\ue002", "\ue003"
_MARKS = re.compile(f"[{_BLOCK}{_LINE}{_CELL}{_SPACE}]")
_ONLY_MARK = re.compile(r"#{1,6}|-")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_ALIASES = {"iso-8859-1": "windows-1252", "latin1": "windows-1252", "ascii": "windows-1252", "us-ascii": "windows-1252"}


@dataclass(frozen=True, slots=True)
class Page:
    """What a reader of the page would read."""

    title: str
    text: str


def page_of(html: str) -> Page:
    """The page's title and its text as light Markdown: `#` before headings, `-` before list items, `|` in tables.

    The text is that of `main` or `article` where the page has one, else of the whole body.

    Args:
        html: the page; broken mark-up is read as browsers do.

    Raises:
        Refused: `extra_missing`.
    """
    parser = needed("selectolax.lexbor", "to read HTML")
    tree = parser.LexborHTMLParser(_MARKS.sub("", html))
    found = tree.css_first("title")
    title = " ".join(found.text().split()) if found is not None else ""
    for node in tree.css(_NEVER_READ):
        node.decompose()
    root = next((node for name in _ROOTS if (node := tree.css_first(name)) is not None), None)
    if root is None:
        return Page(title, "")
    _mark(root)
    return Page(title, _laid_out(root.text(deep=True)))


def decoded_html(data: bytes, charset: str | None = None) -> str:
    """The page as text, by the first of: byte order mark, `charset`, the page's `<meta charset>`, UTF-8, Windows-1252.

    Args:
        data: the page.
        charset: what the server said, if it said anything.
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, "replace")
    declared = _CHARSET.search(data[:4096])
    said = (charset or "", declared[1].decode("ascii") if declared else "", "utf-8")
    for name in filter(None, said):
        try:
            return data.decode(_ALIASES.get(name.lower(), name))
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("windows-1252", "replace")


def _mark(root: Any) -> None:
    """Put the marks of blocks, lines and cells among the nodes of `root`."""
    for node in root.css("pre"):
        lines = node.text(deep=True).strip("\n").splitlines()
        node.inner_html = ""
        node.insert_child(_LINE.join(line.replace(" ", _SPACE) for line in lines))
    for node in root.css("br"):
        node.replace_with(_LINE)
    for node in root.css("td,th"):
        node.insert_after(_CELL)
    for node in root.css("tr"):
        node.insert_before(_LINE)
    for node in root.css("li"):
        _lead(node, "- ")
    for level in range(1, 7):
        for node in root.css(f"h{level}"):
            _lead(node, "#" * level + " ")
    for node in root.css(_BLOCKS):
        node.insert_before(_BLOCK)
        node.insert_after(_BLOCK)


def _lead(node: Any, mark: str) -> None:
    first = node.first_child
    if first is not None:
        first.insert_before(mark)


def _laid_out(marked: str) -> str:
    blocks = []
    for block in re.split(f"{_BLOCK}+", marked):
        lines = [_line(line) for line in block.split(_LINE)]
        text = "\n".join(line for line in lines if line)
        if text and not _ONLY_MARK.fullmatch(text):
            blocks.append(text)
    return "\n\n".join(blocks).replace(_SPACE, " ")


def _line(text: str) -> str:
    cells = [" ".join(cell.split(None)) for cell in text.split(_CELL)]
    return f"| {' | '.join(cells[:-1])} |" if len(cells) > 1 else cells[0]
