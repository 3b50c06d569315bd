from __future__ import annotations

import pytest

from workers.html_text import decoded_html, page_of

PAGE = """<!doctype html><html><head><title> The
 ferry </title><style>p {color: red}</style><script>var tracked = "never read";</script></head>
<body><header><a href="/">Home</a></header><nav><ul><li>Menu</li></ul></nav>
<main><h1>The <em>ferry</em></h1><p>It leaves at <b>seven</b>
and comes&nbsp;back at nine.<br>Every day.</p>
<ul><li>Bring a coat<li>Bring bread</ul>
<table><tr><th>day</th><th>fare</th></tr><tr><td>Monday</td><td>4 &lt; 5</td></tr></table>
<pre>line one
    line two</pre>
<p hidden>hidden</p><script>document.write("<p>no</p>")</script><form><input value="x"><button>Send</button></form>
<div><div>Nested <span>inline</span></div>loose</div></main>
<footer>All rights reserved</footer></body></html>"""


def test_the_text_of_a_page_is_what_a_reader_reads() -> None:
    page = page_of(PAGE)
    assert page.title == "The ferry"
    assert page.text.split("\n\n") == [
        "# The ferry",
        "It leaves at seven and comes back at nine.\nEvery day.",
        "- Bring a coat",
        "- Bring bread",
        "| day | fare |\n| Monday | 4 < 5 |",
        "line one\n    line two",
        "Nested inline",
        "loose",
    ]


def test_a_page_without_main_gives_its_body_and_an_empty_one_nothing() -> None:
    assert page_of("<p>One<p>Two").text == "One\n\nTwo"
    assert page_of("").text == page_of("<script>x</script>").text == ""


def test_broken_and_deep_markup_is_read() -> None:
    assert page_of("<div>" * 5_000 + "deep").text == "deep"
    assert page_of("<p>a <b>b <p>c</b> <<>> &nosuch;").text == "a b\n\nc <<>> &nosuch;"


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("<p>né</p>".encode(), None),
        ("<p>né</p>".encode("utf-8-sig"), "latin-1"),
        ("<p>né</p>".encode("latin-1"), "ISO-8859-1"),
        ("<p>né</p>".encode("utf-16"), None),
        ('<meta charset="iso-8859-1"><p>né</p>'.encode("latin-1"), None),
        ("<p>né</p>".encode("latin-1"), None),
        ("<p>né</p>".encode("latin-1"), "no-such-charset"),
        ('<meta charset="utf-8"><p>né</p>'.encode("latin-1"), None),
    ],
)
def test_the_encoding_is_found_as_browsers_find_it(data: bytes, charset: str | None) -> None:
    assert page_of(decoded_html(data, charset)).text == "né"
