"""The guarded outbound client: the only way by which a request leaves the registry.

In the platform because rooms that do not know each other send requests (deliveries, later
providers), and none of them may leave without the guard. It follows no redirect, reads no proxy or
.netrc from the environment, keeps no cookie and decompresses nothing.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address

import certifi

from app.platform.destinations import (
    Address,
    Destination,
    ForbiddenDestination,
    Network,
    Zone,
    parse_destination,
    refusal,
)
from app.platform.http_connection import (
    ANSWER_BYTES,
    Connection,
    Failure,
    Raw,
    Unreachable,
    begin,
    reach,
)
from app.settings import Settings

__all__ = [
    "ANSWER_BYTES",
    "Answer",
    "Destination",
    "Failure",
    "ForbiddenDestination",
    "Outbound",
    "Resolver",
    "Unreachable",
    "Zone",
    "parse_destination",
    "resolve",
]

CONNECTION_SECONDS = 60
"""The age at which a connection is no longer used, so that a changed DNS record counts."""

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Looks a name up and answers its addresses; raises OSError when there are none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: header names in lower case, the body as sent and at most 16 KiB of it.

    ``cut`` tells that there was more. The body may repeat contact points that were sent, so it is
    in no ``repr``. ``duration`` is in seconds, from the call to the last byte read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    cut: bool
    duration: float


# A name server that hangs holds a thread for half a minute. The loop's own few threads would then
# stop every other look-up of the process.
_lookups = ThreadPoolExecutor(max_workers=32, thread_name_prefix="lookup")


async def resolve(host: str) -> Sequence[str]:
    """Look a name up as the operating system does; the addresses in its order of preference."""
    found = await asyncio.get_running_loop().run_in_executor(
        _lookups, lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    )
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@cache
def _trusted() -> ssl.SSLContext:
    """Trust the public authorities, and those that this machine trusts (an operator's own)."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Outbound:
    """A client for one receiver: keeps its connection, and sends it one request after another.

    Make one per receiver: one client for 50 concurrent senders was measured four times slower.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        resolve: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
        connection_seconds: float = CONNECTION_SECONDS,
    ) -> None:
        """Open nothing yet; ``tls`` replaces the certificate authorities that are trusted."""
        self._settings = settings
        self._connection_seconds = connection_seconds
        self._resolve = resolve
        self._tls = tls
        self._lines: dict[Zone, _Line] = {}

    async def post(
        self,
        destination: Destination,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: float,
        method: str = "POST",
    ) -> Answer:
        """Send exactly these bytes and read the answer, all of it within ``deadline`` seconds.

        Header names are given in lower case. Any status is an answer, a redirect too. Raises
        Unreachable when there is none.
        """
        started = time.monotonic()
        line = self._line(destination.zone)
        try:
            async with asyncio.timeout(deadline):
                answer = await line.exchange(method, destination, body, headers)
        except TimeoutError:
            where = f"{destination.authority} within {deadline:g} s"
            raise Unreachable("timeout", f"no whole answer from {where}: {line.stage}") from None
        return Answer(*answer, time.monotonic() - started)

    async def get(self, destination: Destination, *, deadline: float) -> Answer:
        """Ask for what lies there; as ``post``."""
        accept = {"accept": "*/*"}
        return await self.post(destination, b"", accept, deadline=deadline, method="GET")

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        for line in self._lines.values():
            await line.aclose()
        self._lines.clear()

    def _line(self, zone: Zone) -> "_Line":
        # Connections are kept per zone: one made under the rules of another is not used again.
        if zone not in self._lines:
            networks = self._settings.internal_networks
            network = _GuardedNetwork(zone, networks, self._resolve, self._tls)
            self._lines[zone] = _Line(network, self._connection_seconds)
        return self._lines[zone]


class _Line:
    """The one connection to a receiver under the rules of one zone, made anew when it has to be."""

    def __init__(self, network: "_GuardedNetwork", most_seconds: float) -> None:
        self._network = network
        self._most_seconds = most_seconds
        self._connection: Connection | None = None
        self._leads_to: tuple[str, str, int] | None = None

    @property
    def stage(self) -> str:
        """Tell what is going on, for the message of a time-out."""
        return self._network.stage if self._connection is None else self._connection.stage

    async def exchange(
        self, method: str, destination: Destination, body: bytes, headers: Mapping[str, str]
    ) -> Raw:
        sent = {
            "user-agent": "optout-registry",
            "accept": "application/json",
            **headers,
            "host": destination.authority,
            "accept-encoding": "identity",
            "content-length": str(len(body)),
        }
        connection = await self._connect(destination)
        return await connection.exchange(method, destination.target, sent, body)

    async def _connect(self, destination: Destination) -> Connection:
        """Take the connection that is open, or begin one."""
        wanted = (destination.scheme, destination.host, destination.port)
        kept, self._connection = self._connection, None
        if kept is not None:
            if self._leads_to == wanted and kept.is_usable and kept.age < self._most_seconds:
                self._connection = kept
                return kept
            await kept.aclose()
        self._connection = await self._network.connect(destination)
        self._leads_to = wanted
        return self._connection

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.aclose()


class _GuardedNetwork:
    """Resolves a name once, judges every answer, and connects to the very address it judged.

    ``stage`` tells what is going on, for the message of a time-out.
    """

    def __init__(
        self,
        zone: Zone,
        internal: Sequence[Network],
        resolve: Resolver,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.stage = "waiting for a connection"
        self._zone = zone
        self._internal = internal
        self._resolve = resolve
        self._tls = tls

    async def connect(self, destination: Destination) -> Connection:
        host, port = destination.host, destination.port
        self.stage = "looking up the name"
        addresses = await self._permitted(host)
        failure = Unreachable("connect", f"{host} has no address")
        for address in addresses:
            try:
                self.stage = "connecting"
                plain = await reach(address, host, port)
            except Unreachable as error:
                failure = error
            else:
                self.stage = "in the TLS handshake"
                tls = (self._tls or _trusted()) if destination.scheme == "https" else None
                return await begin(plain, destination.authority, tls=tls, host=host)
        raise failure

    async def _permitted(self, host: str) -> Sequence[Address]:
        """Resolve a name once; a single forbidden answer among good ones forbids them all."""
        addresses = await self._addresses(host)
        for address in addresses:
            why = refusal(address, self._zone, self._internal)
            if why:
                raise Unreachable("forbidden-destination", f"{host} is at {address}, {why}")
        return addresses

    async def _addresses(self, host: str) -> Sequence[Address]:
        try:
            return (ip_address(host),)
        except ValueError:
            pass  # a name
        try:
            return tuple(ip_address(answer) for answer in await self._resolve(host))
        except (OSError, UnicodeError, ValueError):
            raise Unreachable("dns", f"the name {host} does not resolve") from None
