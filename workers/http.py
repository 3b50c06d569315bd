"""Fetch a page from a host of the list, as text."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urljoin

import httpx
from pydantic import BaseModel, Field

from orchestrator import Context, Depends, worker
from workers.failures import Refused
from workers.html_text import decoded_html, page_of
from workers.web_rules import Address, FetchRules, Target, Unreachable, rules_of_process

REDIRECTS = 5
HEADERS = {
    "User-Agent": "orchestrator-fetch/1 (+https://pypi.org/project/graph-orchestrator/)",
    "Accept": "text/html, text/*, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
}
HTML = frozenset({"text/html", "application/xhtml+xml"})
TEXT = frozenset(
    f"application/{kind}" for kind in ("json", "ld+json", "xml", "atom+xml", "rss+xml", "yaml", "javascript")
)
_MOVED = frozenset({301, 302, 303, 307, 308})
_ENCODINGS = frozenset({"identity", "gzip", "deflate"})
"""Of these a piece that arrives becomes a thousand times as long at the most; of zstd, or gzip in gzip, far more."""

_NOT_NOW = frozenset({408, 425, 429})


class FetchIn(BaseModel):
    """What to fetch.

    Attributes:
        url: `https://…` of a host that the worker's environment allows.
        max_bytes: a longer answer is refused; counted after decompression.
        seconds: for everything, redirects included.
        max_characters: of the text; the output says whether it was cut.
    """

    url: str = Field(min_length=1, max_length=4_000)
    max_bytes: int = Field(default=5_000_000, ge=1, le=50_000_000)
    seconds: float = Field(default=30.0, gt=0, le=300)
    max_characters: int = Field(default=200_000, ge=1, le=5_000_000)


class FetchOut(BaseModel):
    """A page as text.

    Attributes:
        url: where it was found in the end, after redirects.
        content_type: without parameters.
        title: of an HTML page, else empty.
        text: of an HTML page what a reader reads; of other text all of it.
        characters: of the whole text.
        bytes: of the answer, decompressed.
        hops: the URLs on the way, the first one first.
        elapsed: seconds.
    """

    url: str
    status: int
    content_type: str
    title: str
    text: str
    characters: int
    bytes: int
    hops: list[str]
    elapsed: float


async def http_client() -> AsyncIterator[httpx.AsyncClient]:
    """A client that asks the environment for nothing: a proxy would look hosts up itself, past every check."""
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, verify=trusted_certificates()) as client:
        yield client


def trusted_certificates() -> ssl.SSLContext:
    """Whose certificates are believed: certifi's."""
    return httpx.create_ssl_context(trust_env=False)


@worker("http.fetch", pool="http", timeout="6m", retry_on=(Unreachable,))
async def fetch(
    input: FetchIn,
    ctx: Context,
    rules: Annotated[FetchRules, Depends(rules_of_process)],
    client: Annotated[httpx.AsyncClient, Depends(http_client)],
) -> FetchOut:
    """Fetch a page of an allowed host, following redirects as far as they stay on the list.

    Raises:
        Unreachable: no connection, too slow, or an answer that may be another one later (429, 5xx).
        Refused: `url_malformed`, `host_refused`, `address_refused`, `redirects_endless`, `status_refused`,
            `type_refused`, `too_large`, `rule_malformed`, `extra_missing`.
    """
    started = time.monotonic()
    hops: list[str] = []
    url = input.url
    try:
        async with asyncio.timeout(input.seconds):
            while True:
                target = await rules.admit(url)
                hops.append(target.url)
                ctx.heartbeat(url=target.url)
                answer = await _asked(client, target, input)
                if answer.moved_to is None:
                    break
                if len(hops) > REDIRECTS:
                    raise Refused("redirects_endless", f"{input.url} leads through more than {REDIRECTS} redirects")
                url = answer.moved_to
    except TimeoutError as error:
        raise Unreachable(f"{url} was not read within {input.seconds:g}s") from error
    title, text = await asyncio.to_thread(_read, answer)
    return FetchOut(
        url=hops[-1],
        status=answer.status,
        content_type=answer.content_type,
        title=title,
        text=text[: input.max_characters],
        characters=len(text),
        bytes=len(answer.body),
        hops=hops,
        elapsed=round(time.monotonic() - started, 3),
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    charset: str | None
    body: bytes
    moved_to: str | None = None


async def _asked(client: httpx.AsyncClient, target: Target, input: FetchIn) -> _Answer:
    """One request, to the addresses that were checked, in turn; the certificate is still that of the host."""
    *others, last = target.addresses
    for address in others:
        try:
            return await _sent(client, _request(client, target, address, input), target, input)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    try:
        return await _sent(client, _request(client, target, last, input), target, input)
    except httpx.DecodingError as error:
        raise Refused("type_refused", f"{target.url} sends what cannot be decompressed: {error}") from error
    except httpx.TransportError as error:
        raise Unreachable(f"{target.url} cannot be read: {error or type(error).__name__}") from error


def _request(client: httpx.AsyncClient, target: Target, address: Address, input: FetchIn) -> httpx.Request:
    return client.build_request(
        "GET",
        httpx.URL(target.url).copy_with(host=str(address)),
        headers={**HEADERS, "Host": _host_header(target)},
        extensions={"sni_hostname": target.host},
        timeout=input.seconds,
    )


async def _sent(client: httpx.AsyncClient, request: httpx.Request, target: Target, input: FetchIn) -> _Answer:
    response = await client.send(request, stream=True)
    try:
        return await _heard(response, target, input)
    finally:
        await response.aclose()


async def _heard(response: httpx.Response, target: Target, input: FetchIn) -> _Answer:
    status = response.status_code
    if status in _MOVED and "location" in response.headers:
        return _Answer(status, "", None, b"", moved_to=_joined(target.url, response.headers["location"]))
    if status in _NOT_NOW or status >= 500:
        wait = response.headers.get("retry-after")
        raise Unreachable(f"{target.url} answered {status}" + (f"; it says to wait for {wait}" if wait else ""))
    if status != 200:
        raise Refused("status_refused", f"{target.url} answered {status} {response.reason_phrase}")
    content_type = response.headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if content_type not in HTML | TEXT and not content_type.startswith("text/"):
        raise Refused("type_refused", f"{target.url} is {content_type}, and only HTML and text are read")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in _ENCODINGS:
        raise Refused("type_refused", f"{target.url} is compressed with {encoding}, and only gzip and deflate are read")
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > input.max_bytes:
            raise Refused("too_large", f"{target.url} has more than {input.max_bytes:,} bytes")
    return _Answer(status, content_type, response.charset_encoding, bytes(body))


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Refused("url_malformed", f"{url} leads to {location!r}, which is no URL: {error}") from error


def _host_header(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == {"https": 443, "http": 80}[target.scheme] else f"{host}:{target.port}"


def _read(answer: _Answer) -> tuple[str, str]:
    text = decoded_html(answer.body, answer.charset)
    if answer.content_type not in HTML:
        return "", text.replace("\0", "\ufffd")
    page = page_of(text)
    return page.title, page.text
