"""`http.fetch` against real servers on loopback, which is allowed here by name."""

from __future__ import annotations

import gzip
import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workers.http
from tests.integration.web import Answer, Request, Web, serving
from workers.failures import Refused
from workers.http import FetchOut, fetch
from workers.web_rules import FetchRules, HostRule, Unreachable, _behind

HTML = {"Content-Type": "text/html; charset=utf-8"}
PAGE = "<html><title>Ferries</title><nav>Menu</nav><main><p>The ferry leaves at seven.</p></main></html>"


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def allow(*hosts: str, networks: str = "127.0.0.0/8") -> None:
        monkeypatch.setenv("FETCH_HOSTS", ",".join(hosts))
        monkeypatch.setenv("FETCH_NETWORKS", networks)

    return allow


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """A name server of the test's own: for each host what it answers, look-up by look-up; the last one stays."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in known:
            return real(host, port, *args, **kwargs)
        answers = known[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [each for address in found for each in real(address, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


async def get(url: str, **fields: Any) -> FetchOut:
    out = await fetch.test({"url": url, **fields})
    assert isinstance(out, FetchOut)
    return out


async def refusal(url: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await get(url, **fields)
    return caught.value


async def test_a_page_is_read_as_text(allow: Callable[..., None]) -> None:
    with serving(lambda _: Answer(PAGE.encode(), headers=HTML)) as web:
        allow(web.url)
        out = await get(f"{web.url}/ferries?day=1#top")
    assert (out.status, out.content_type, out.title) == (200, "text/html", "Ferries")
    assert out.text == "The ferry leaves at seven."
    assert out.url == f"{web.url}/ferries?day=1"
    assert (out.bytes, out.hops) == (len(PAGE), [out.url])
    (request,) = web.requests
    assert request.path == "/ferries?day=1"
    assert request.headers["host"] == f"127.0.0.1:{web.port}"


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("text/plain; charset=iso-8859-1", "né".encode("latin-1"), "né"),
        ("text/csv", b"a,b\n1,\x002", "a,b\n1,\ufffd2"),
    ],
)
async def test_other_text_is_given_as_it_is(
    allow: Callable[..., None], content_type: str, body: bytes, text: str
) -> None:
    with serving(lambda _: Answer(body, headers={"Content-Type": content_type})) as web:
        allow(web.url)
        out = await get(web.url)
    assert out.text == text


async def test_a_long_text_is_cut_and_its_length_told(allow: Callable[..., None]) -> None:
    with serving(lambda _: Answer(b"x" * 1_000, headers={"Content-Type": "text/plain"})) as web:
        allow(web.url)
        out = await get(web.url, max_characters=10)
    assert (out.text, out.characters) == ("x" * 10, 1_000)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "http://docs.example.com/",  # https only
        "https://docs.example.com:8443/",
        "https://example.com/",  # the star is for hosts below
        "https://docs.example.com.evil.org/",
        "https://evilexample.com/",
    ],
)
async def test_a_host_that_is_not_on_the_list_is_refused_before_it_is_looked_up(
    allow: Callable[..., None], names: dict[str, list[list[str]]], url: str
) -> None:
    allow("*.example.com", "docs.python.org")
    error = await refusal(url)
    assert error.code == "host_refused"
    assert "*.example.com, docs.python.org" in str(error)


async def test_without_a_list_nothing_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FETCH_HOSTS", raising=False)
    assert (await refusal("https://example.org/")).code == "host_refused"


NO_URLS = [
    "ftp://a.org/x", "file:///etc/passwd", "https:///x", "https://user:pw@a.org/", "https://a.org:99999/", "a.org",
    "https://a.org\\@b.org/", "https://a.org/ b",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_URLS)
async def test_what_is_no_web_address_is_refused(allow: Callable[..., None], url: str) -> None:
    allow("a.org", "b.org")
    assert (await refusal(url)).code == "url_malformed"


PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
    "2002:7f00:1::", "ff02::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "3fff::1",
    "5f00::1", "192.0.0.8", "192.88.99.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_a_private_address_is_refused(
    allow: Callable[..., None], names: dict[str, list[list[str]]], address: str
) -> None:
    allow("metadata.example.org", networks="")
    names["metadata.example.org"] = [["93.184.215.14", address]]
    error = await refusal("https://metadata.example.org/latest")
    assert error.code == "address_refused"


def test_an_ipv4_address_is_found_behind_every_disguise() -> None:
    for disguise in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"):
        assert str(_behind(ipaddress.ip_address(disguise))) == "10.0.0.1"


async def test_an_address_is_looked_up_once_and_connected_to(
    allow: Callable[..., None], names: dict[str, list[list[str]]]
) -> None:
    """DNS rebinding: a second look-up, after the check, would lead elsewhere."""
    with serving(lambda _: Answer(PAGE.encode(), headers=HTML)) as web:
        allow(f"http://ferry.test:{web.port}")
        names["ferry.test"] = [["127.0.0.1"], ["192.0.2.1"]]
        out = await get(f"http://ferry.test:{web.port}/")
    assert out.text == "The ferry leaves at seven."
    assert web.requests[0].headers["host"] == f"ferry.test:{web.port}"


async def test_the_next_address_is_tried_where_one_does_not_answer(
    allow: Callable[..., None], names: dict[str, list[list[str]]]
) -> None:
    with serving(lambda _: Answer(PAGE.encode(), headers=HTML)) as web:
        allow(f"http://ferry.test:{web.port}")
        names["ferry.test"] = [["127.0.0.9", "127.0.0.1"]]
        assert (await get(f"http://ferry.test:{web.port}/")).title == "Ferries"


async def test_redirects_are_followed_on_the_list_only(allow: Callable[..., None]) -> None:
    def answer(request: Request) -> Answer:
        goals = {"/a": "/b", "/b": f"{web.url}/c", "/out": "https://example.org/", "/in": "http://127.0.0.1:1/"}
        if request.path in goals:
            return Answer(status=302, headers={"Location": goals[request.path]})
        if request.path == "/loop":
            return Answer(status=301, headers={"Location": "/loop"})
        return Answer(PAGE.encode(), headers=HTML)

    with serving(answer) as web:
        allow(web.url)
        out = await get(f"{web.url}/a")
        assert out.hops == [f"{web.url}/{name}" for name in "abc"]
        assert (await refusal(f"{web.url}/out")).code == "host_refused"
        assert (await refusal(f"{web.url}/in")).code == "host_refused"
        assert (await refusal(f"{web.url}/loop")).code == "redirects_endless"


async def test_a_redirect_to_a_name_with_a_private_address_is_refused(
    allow: Callable[..., None], names: dict[str, list[list[str]]]
) -> None:
    with serving(lambda _: Answer(status=307, headers={"Location": "https://inside.test/admin"})) as web:
        allow(web.url, "inside.test")
        names["inside.test"] = [["10.0.0.7"]]
        assert (await refusal(web.url)).code == "address_refused"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_may_be_otherwise_later_is_worth_another_try(allow: Callable[..., None], status: int) -> None:
    with serving(lambda _: Answer(b"no", status=status, headers={"Retry-After": "7"})) as web:
        allow(web.url)
        with pytest.raises(Unreachable, match=rf"answered {status}; it says to wait for 7"):
            await get(web.url)
    assert Unreachable in fetch.retry_on


@pytest.mark.parametrize("status", [204, 401, 403, 404, 410])
async def test_another_status_is_refused(allow: Callable[..., None], status: int) -> None:
    with serving(lambda _: Answer(status=status)) as web:
        allow(web.url)
        error = await refusal(f"{web.url}/gone")
    assert (error.code, f"answered {status}" in str(error)) == ("status_refused", True)


async def test_nobody_there_and_no_such_name_are_worth_another_try(
    allow: Callable[..., None], names: dict[str, list[list[str]]]
) -> None:
    with serving(lambda _: Answer()) as web:
        pass
    allow(web.url, "gone.test")
    with pytest.raises(Unreachable, match="cannot be read"):
        await get(web.url)
    names["gone.test"] = [[]]
    with pytest.raises(Unreachable, match="cannot be looked up"):
        await get("https://gone.test/")


async def test_a_server_that_drips_is_given_up_in_time(allow: Callable[..., None]) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x"
            time.sleep(0.05)

    with serving(lambda _: Answer(drip(), headers={"Content-Type": "text/plain"})) as web:
        allow(web.url)
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"not read within 0\.4s"):
            await get(web.url, seconds=0.4)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_that_is_too_large_is_refused_also_when_it_is_packed(
    allow: Callable[..., None], packed: bool
) -> None:
    body = b"x" * 3_000_000
    headers = {"Content-Type": "text/plain"} | ({"Content-Encoding": "gzip"} if packed else {})
    with serving(lambda _: Answer(gzip.compress(body) if packed else body, headers=headers)) as web:
        allow(web.url)
        assert (await refusal(web.url, max_bytes=1_000_000)).code == "too_large"
        assert (await get(web.url)).bytes == 3_000_000


@pytest.mark.parametrize("encoding", ["zstd", "gzip, gzip", "br"])
async def test_what_grows_without_bounds_is_not_unpacked(allow: Callable[..., None], encoding: str) -> None:
    """One piece of zstd, or of gzip within gzip, may become gigabytes before it can be counted."""
    headers = {"Content-Type": "text/plain", "Content-Encoding": encoding}
    with serving(lambda _: Answer(b"whatever", headers=headers)) as web:
        allow(web.url)
        error = await refusal(web.url)
    assert (error.code, encoding in str(error)) == ("type_refused", True)
    assert web.requests[0].headers["accept-encoding"] == "gzip, deflate"


async def test_a_redirect_to_what_is_no_url_is_refused(allow: Callable[..., None]) -> None:
    with serving(lambda _: Answer(b"", 302, headers={"Location": "http://[half"})) as web:
        allow(web.url)
        error = await refusal(web.url)
    assert (error.code, "http://[half" in str(error)) == ("url_malformed", True)


@pytest.mark.parametrize("content_type", ["application/pdf", "image/png", "application/octet-stream"])
async def test_what_is_no_text_is_refused(allow: Callable[..., None], content_type: str) -> None:
    with serving(lambda _: Answer(b"%PDF", headers={"Content-Type": content_type})) as web:
        allow(web.url)
        assert (await refusal(web.url)).code == "type_refused"


async def test_a_proxy_of_the_environment_is_not_asked(
    allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: Answer(PAGE.encode(), headers=HTML)) as web, serving(lambda _: Answer(b"")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        allow(web.url)
        assert (await get(web.url)).title == "Ferries"
    assert proxy.requests == []


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A server with a certificate for ferry.test that the client believes."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ferry.test"
    more = ["-addext", "subjectAltName=DNS:ferry.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *words.split(), *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setattr(workers.http, "trusted_certificates", lambda: ssl.create_default_context(cafile=certificate))
    with serving(lambda _: Answer(PAGE.encode(), headers=HTML), context) as web:
        yield web


async def test_the_certificate_must_be_that_of_the_host_though_an_address_is_connected_to(
    allow: Callable[..., None], names: dict[str, list[list[str]]], secure: Web
) -> None:
    allow(f"ferry.test:{secure.port}", f"other.test:{secure.port}")
    names["ferry.test"] = names["other.test"] = [["127.0.0.1"]]
    assert (await get(f"https://ferry.test:{secure.port}/")).title == "Ferries"
    with pytest.raises(Unreachable, match=r"(?i)certificate.*other\.test"):
        await get(f"https://other.test:{secure.port}/")


def test_the_rules_are_read_and_mistakes_in_them_named() -> None:
    rules = FetchRules.read({"FETCH_HOSTS": " a.org, *.b.org ,http://[::1]:80", "FETCH_NETWORKS": "10.0.0.0/8,::1/128"})
    assert rules.hosts == (
        HostRule("https", "a.org", False, 443),
        HostRule("https", "b.org", True, 443),
        HostRule("http", "::1", False, 80),
    )
    assert len(rules.networks) == 2
    for wrong in ({"FETCH_HOSTS": "*"}, {"FETCH_HOSTS": "https://a.org/path"}, {"FETCH_NETWORKS": "10.0.0.1/8"}):
        with pytest.raises(Refused) as caught:
            FetchRules.read(wrong)
        assert caught.value.code == "rule_malformed"


def test_the_system_certificates_are_loaded() -> None:
    assert workers.http.trusted_certificates().verify_mode is ssl.CERT_REQUIRED
