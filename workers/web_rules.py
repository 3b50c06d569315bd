"""Which addresses of the web `http.fetch` may read: a list of hosts, and never a private address behind one of them."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from workers.failures import Refused

HOSTS = "FETCH_HOSTS"
NETWORKS = "FETCH_NETWORKS"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_RULE = re.compile(r"(?:(https?)://)?(\*\.)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.IGNORECASE)
_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GIVEN_OUT = ipaddress.ip_network("2000::/3")
"""The IPv6 addresses of the internet: all others are local, or stand for something else."""

_NOT_FOR_US = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Special addresses that older Pythons take for public ones."""


class Unreachable(Exception):
    """The host, or the server on it, does not answer for now: worth another try."""

    code = "unreachable"


@dataclass(frozen=True, slots=True)
class HostRule:
    """One entry of the list: `docs.python.org`, `*.example.org`, `http://127.0.0.1:8080`.

    Attributes:
        scheme: `https` unless the entry says `http://`.
        host: in small letters, without the star.
        below: any host below `host`, and not itself.
        port: the scheme's own unless the entry names one.
    """

    scheme: str
    host: str
    below: bool
    port: int

    @classmethod
    def read(cls, text: str) -> HostRule:
        """The rule of one entry.

        Raises:
            Refused: `rule_malformed`.
        """
        found = _RULE.fullmatch(text.strip())
        if found is None:
            raise Refused(
                "rule_malformed", f"{HOSTS} has {text!r}; write docs.example.org, *.example.org or http://host:80"
            )
        scheme = (found[1] or "https").lower()
        host = found[3].strip("[]").lower().rstrip(".")
        return cls(scheme, host, found[2] is not None, int(found[4] or _PORTS[scheme]))

    def covers(self, scheme: str, host: str, port: int) -> bool:
        """Whether the entry allows this."""
        named = host.endswith("." + self.host) if self.below else host == self.host
        return named and scheme == self.scheme and port == self.port


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be read, and the checked addresses to connect to.

    Attributes:
        url: as it was given, without a fragment.
        host: its host, for the `Host` header and the certificate.
        addresses: where to connect, so that no second look-up can lead elsewhere.
    """

    url: str
    scheme: str
    host: str
    port: int
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. Set by whoever starts the worker process, never by a workflow.

    Attributes:
        hosts: the list; an empty one allows nothing.
        networks: private networks that hosts of the list may lie in.
    """

    hosts: tuple[HostRule, ...] = ()
    networks: tuple[Network, ...] = field(default=())

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> FetchRules:
        """The rules of `FETCH_HOSTS` and `FETCH_NETWORKS`, each a list with commas.

        Raises:
            Refused: `rule_malformed`.
        """
        networks = []
        for text in _entries(environ.get(NETWORKS, "")):
            try:
                networks.append(ipaddress.ip_network(text))
            except ValueError as error:
                raise Refused("rule_malformed", f"{NETWORKS} has {text!r}: {error}; write e.g. 10.0.0.0/8") from error
        hosts = tuple(HostRule.read(text) for text in _entries(environ.get(HOSTS, "")))
        return cls(hosts, tuple(networks))

    async def admit(self, url: str) -> Target:
        """Check a URL, look its host up, and check every address that it has.

        Raises:
            Refused: `url_malformed`, `host_refused`, `address_refused`.
            Unreachable: the host cannot be looked up.
        """
        scheme, host, port = _parts(url)
        if not any(rule.covers(scheme, host, port) for rule in self.hosts):
            known = ", ".join(_shown(rule) for rule in self.hosts) or "none"
            raise Refused(
                "host_refused",
                f"{scheme}://{host}:{port} is not on the list of hosts ({known}); who runs the worker sets {HOSTS}",
            )
        addresses = await _look_up(host, port)
        for address in addresses:
            if not self._open(address):
                raise Refused(
                    "address_refused",
                    f"{host} is at {address}, which is not a public address; who runs the worker sets {NETWORKS}",
                )
        return Target(urlsplit(url)._replace(fragment="").geturl(), scheme, host, port, tuple(addresses))

    def _open(self, address: Address) -> bool:
        real = _behind(address)
        if any(real in network for network in self.networks if network.version == real.version):
            return True
        if isinstance(real, ipaddress.IPv6Address) and real not in _GIVEN_OUT:
            return False
        return real.is_global and not real.is_multicast and not any(real in special for special in _NOT_FOR_US)


def rules_of_process() -> FetchRules:
    """The rules of this worker process's environment; a dependency of `http.fetch`."""
    return FetchRules.read(os.environ)


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _shown(rule: HostRule) -> str:
    port = "" if rule.port == _PORTS[rule.scheme] else f":{rule.port}"
    return ("http://" if rule.scheme == "http" else "") + ("*." if rule.below else "") + rule.host + port


def _parts(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
        host = host if ":" in host else host.encode("idna").decode()
    except ValueError as error:
        raise Refused("url_malformed", f"{url!r} is no URL: {error}") from error
    if parts.scheme not in _PORTS or not host or parts.username is not None or re.search(r"[\s\\]", url):
        raise Refused("url_malformed", f"{url!r} is no https:// URL of a host, without a user name")
    return parts.scheme, host.lower(), port or _PORTS[parts.scheme]


async def _look_up(host: str, port: int) -> list[Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Unreachable(f"the host {host} cannot be looked up: {error}") from error
    return list(dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found))


def _behind(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
