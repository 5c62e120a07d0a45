"""The guarded outbound client: the only way by which a request leaves the registry.

In the platform because rooms that do not know each other send requests (deliveries, later
providers), and none of them may leave without the guard. It stands on httpcore, the part of httpx
that takes a network backend, and so follows no redirect, reads no proxy or .netrc from the
environment, keeps no cookie and decompresses nothing.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from typing import Any, Literal

import httpcore
import httpx

from app.platform.destinations import (
    Address,
    Destination,
    ForbiddenDestination,
    Network,
    Zone,
    parse_destination,
    refusal,
)
from app.settings import Settings

__all__ = [
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

ANSWER_BYTES = 16_384
"""How much of an answer's body is read."""

WIRE_BYTES = 65_536
"""How much is read in all for one answer: its headers, its body and what frames them."""

CONNECTION_SECONDS = 60
"""The age at which a connection is no longer used, so that a changed DNS record counts."""

CONNECT_SECONDS = 5
"""How long one of a name's addresses may take to accept, before the next one is tried."""

Failure = Literal[
    "forbidden-destination", "dns", "connect", "tls", "timeout", "reset", "protocol", "too-large"
]

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Looks a name up and answers its addresses; raises OSError when there are none."""


class Unreachable(Exception):  # noqa: N818 - it names what happened, not a fault of ours
    """No answer was had. ``kind`` is stable; ``detail`` names host and port, never the path."""

    def __init__(self, kind: Failure, detail: str) -> None:
        """Say what happened in one stable word and one sentence."""
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


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
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
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
            network = _GuardedNetwork(zone, networks, self._resolve, self._connection_seconds)
            self._lines[zone] = _Line(network, self._tls or _trusted())
        return self._lines[zone]


class _Line:
    """The one connection to a receiver under the rules of one zone, made anew when it has to be.

    No pool of httpcore's: its locks cost as much as the request, and here is nothing to share.
    """

    def __init__(self, network: "_GuardedNetwork", tls: ssl.SSLContext) -> None:
        self._network = network
        self._tls = tls
        self._connection: httpcore.AsyncHTTPConnection | None = None

    @property
    def stage(self) -> str:
        return self._network.stage

    async def exchange(
        self, method: str, destination: Destination, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes, bool]:
        url = httpcore.URL(
            scheme=destination.scheme,
            host=destination.host,
            port=destination.port,
            target=destination.target,
        )
        peer = destination.authority
        sent = {
            "user-agent": "optout-registry",
            "accept": "application/json",
            **headers,
            "host": peer,
            "accept-encoding": "identity",
            "content-length": str(len(body)),
        }
        try:
            connection = await self._connect(url.origin)
            async with connection.stream(
                method, url, headers=list(sent.items()), content=body
            ) as response:
                content, cut = await _read(response)
        except httpcore.NetworkError:
            raise Unreachable("reset", f"{peer} broke the connection off") from None
        except httpcore.RemoteProtocolError:
            if self._network.stage == _ENDED:
                detail = f"{peer} closed the connection before its answer was whole"
                raise Unreachable("reset", detail) from None
            raise Unreachable("protocol", f"{peer} does not speak HTTP/1.1") from None
        fields = {
            name.decode("ascii").lower(): value.decode("latin-1")
            for name, value in response.headers
        }
        return response.status, fields, content, cut

    async def _connect(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """Take the connection that is open, or begin one."""
        kept = self._connection
        if kept is not None:
            if kept.can_handle_request(origin) and kept.is_available() and not kept.has_expired():
                return kept
            await kept.aclose()
        self._connection = httpcore.AsyncHTTPConnection(
            origin,
            ssl_context=self._tls,
            keepalive_expiry=self._network.max_age,
            network_backend=self._network,
        )
        return self._connection

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.aclose()


async def _read(response: httpcore.Response) -> tuple[bytes, bool]:
    content = bytearray()
    async for chunk in response.aiter_stream():
        content += chunk
        if len(content) > ANSWER_BYTES:
            return bytes(content[:ANSWER_BYTES]), True
    return bytes(content), False


_ENDED = "the connection was closed"


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Resolves a name once, judges every answer, and connects to the very address it judged.

    ``stage`` tells what is going on, for the message of a time-out.
    """

    def __init__(
        self, zone: Zone, internal: Sequence[Network], resolve: Resolver, max_age: float
    ) -> None:
        self.max_age = max_age
        self.stage = "waiting for a connection"
        self._zone = zone
        self._internal = internal
        self._resolve = resolve
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del timeout  # the whole request has one deadline
        self.stage = "looking up the name"
        addresses = await self._permitted(host)
        self.stage = "connecting"
        failure = Unreachable("connect", f"{host} has no address")
        for address in addresses:
            try:
                stream = await self._sockets.connect_tcp(
                    str(address), port, CONNECT_SECONDS, local_address, socket_options
                )
            except httpcore.ConnectTimeout:
                failure = Unreachable("timeout", f"no connection to {host} port {port}")
            except httpcore.ConnectError as error:
                failure = Unreachable("connect", f"{host} port {port}: {_reason(error)}")
            else:
                return _GuardedStream(stream, self, host)
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


class _GuardedStream(httpcore.AsyncNetworkStream):
    """One connection: limits what is read per answer, and its own age."""

    def __init__(
        self, stream: httpcore.AsyncNetworkStream, network: _GuardedNetwork, host: str
    ) -> None:
        self._stream = stream
        self._network = network
        self._host = host
        self._born = time.monotonic()
        self._allowance = WIRE_BYTES

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is httpcore's
    ) -> bytes:
        if not self._allowance:
            raise Unreachable("too-large", f"{self._host} answers more than {WIRE_BYTES} bytes")
        self._network.stage = "waiting for the answer"
        data = await self._stream.read(min(max_bytes, self._allowance), timeout)
        self._allowance -= len(data)
        if not data:
            self._network.stage = _ENDED
        return data

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is httpcore's
    ) -> None:
        self._network.stage = "sending"
        self._allowance = WIRE_BYTES  # what follows is the answer to a new request
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the name is httpcore's
    ) -> httpcore.AsyncNetworkStream:
        self._network.stage = "in the TLS handshake"
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except httpcore.ConnectError as error:
            raise Unreachable("tls", f"{self._host}: {_reason(error)}") from None
        except asyncio.CancelledError:
            # httpcore closes the socket after an error, but leaves it open at a deadline.
            await self.aclose()
            raise
        return _GuardedStream(secured, self._network, self._host)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's signature
        # httpcore drops an idle connection that is readable: the peer has closed it. One that is
        # too old is dropped the same way.
        if info == "is_readable" and time.monotonic() - self._born > self._network.max_age:
            return True
        return self._stream.get_extra_info(info)


def _reason(error: httpcore.ConnectError) -> str:
    """Find the words of the operating system or of OpenSSL under the wrappings."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return "the connection was broken off"
