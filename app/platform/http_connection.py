"""One HTTP/1.1 connection to a receiver: a request sent whole, its answer read within limits.

Beside the guarded client, which alone makes them, because it knows nothing of zones: it is given
an address that was judged. It stands on h11, which knows the protocol, and straight on asyncio's
transports: streams, locks and pools between the two cost a third of the time of a backlog.
"""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Literal, cast

import h11

from app.platform.destinations import Address

ANSWER_BYTES = 16_384
"""How much of an answer's body is read."""

WIRE_BYTES = 65_536
"""How much is read in all for one answer: its headers, its body and what frames them."""

CONNECT_SECONDS = 5
"""How long one of a name's addresses may take to accept, before the next one is tried."""

Failure = Literal[
    "forbidden-destination", "dns", "connect", "tls", "timeout", "reset", "protocol", "too-large"
]
Raw = tuple[int, dict[str, str], bytes, bool]
"""Status, headers, what was read of the body, and whether there was more."""


class Unreachable(Exception):  # noqa: N818 - it names what happened, not a fault of ours
    """No answer was had. ``kind`` is stable; ``detail`` names host and port, never the path."""

    def __init__(self, kind: Failure, detail: str) -> None:
        """Say what happened in one stable word and one sentence."""
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class Connection(asyncio.Protocol):
    """A connection that is open, for one request at a time; ``stage`` tells what is going on."""

    def __init__(self, peer: str) -> None:
        """Take the name by which messages call the receiver."""
        self.stage = "sending"
        self._peer = peer
        self._born = time.monotonic()
        # What is too large is cut off by the bytes that are read, before h11 minds.
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=2 * WIRE_BYTES)
        self._transport: asyncio.Transport
        self._busy = False
        self._allowance = 0
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._broken = False

    @property
    def age(self) -> float:
        """Tell how long it has been open, in seconds."""
        return time.monotonic() - self._born

    @property
    def is_usable(self) -> bool:
        """Tell whether another request can be sent: the peer has not hung up meanwhile."""
        return not (self._busy or self._transport.is_closing() or self._ended.is_set())

    async def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Raw:
        """Send a request and read the answer; whatever goes wrong, cancelling too, closes it.

        The answer counts even where it comes before all is sent.

        Raises:
            Unreachable: with ``reset``, ``protocol`` or ``too-large``.
        """
        self._busy, self._allowance = True, WIRE_BYTES
        head = self._http.send(
            h11.Request(method=method, target=target, headers=[*headers.items()])
        )
        self._http.send(h11.Data(body))
        self._http.send(h11.EndOfMessage())
        self._transport.writelines((head or b"", body))
        try:
            return await self._answer()
        except h11.RemoteProtocolError:
            if self._ended.is_set():
                detail = f"{self._peer} closed the connection before its answer was whole"
                raise Unreachable("reset", detail) from None
            raise Unreachable("protocol", f"{self._peer} does not speak HTTP/1.1") from None
        finally:
            self._rest()

    async def aclose(self) -> None:
        """Close it, and wait until it is closed."""
        self._transport.abort()
        await self._ended.wait()

    async def _answer(self) -> Raw:
        event = await self._next_event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next_event()
        if not isinstance(event, h11.Response):
            detail = f"{self._peer} closed the connection before its answer was whole"
            raise Unreachable("reset", detail)
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
        content = bytearray()
        while isinstance(more := await self._next_event(), h11.Data):
            content += more.data
            if len(content) > ANSWER_BYTES:
                return event.status_code, headers, bytes(content[:ANSWER_BYTES]), True
        return event.status_code, headers, bytes(content), False

    async def _next_event(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._broken:
                raise Unreachable("reset", f"{self._peer} broke the connection off")
            if not self._allowance:
                detail = f"{self._peer} answers more than {WIRE_BYTES} bytes"
                raise Unreachable("too-large", detail)
            self._news.clear()
            await self._news.wait()
        if not isinstance(event, h11.Event):
            raise Unreachable("protocol", f"{self._peer} does not speak HTTP/1.1")
        return event

    def _rest(self) -> None:
        """Be ready for the next request, or close, if the answer was not read to its end."""
        sending = self._transport.get_write_buffer_size() > 0
        self.stage = "sending" if sending else "waiting for the answer"
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not done or self._http.trailing_data[0] or not self._allowance:
            self._transport.abort()
            return
        self._http.start_next_cycle()
        self._busy = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # Not asked for its class: uvloop's transports are of none of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what may be read; what nobody asked for ends the connection."""
        if not self._busy:
            self._transport.abort()
            return
        taken = data[: self._allowance]
        self._allowance -= len(taken)
        if not self._allowance:
            self._transport.pause_reading()
        if taken:
            self._http.receive_data(taken)
            self._news.set()

    def eof_received(self) -> None:
        """Learn that nothing more comes."""
        self._ended.set()
        self._http.receive_data(b"")
        self._news.set()

    def connection_lost(self, _error: Exception | None) -> None:
        """Learn that it is closed: broken off, if the peer did not end it before."""
        # A body that goes to the end of the connection is not whole where that broke.
        self._broken = not self._ended.is_set()
        self._ended.set()
        self._news.set()


async def reach(address: Address, host: str, port: int) -> socket.socket:
    """Connect a socket to this very address; ``host`` is what messages call it.

    Raises:
        Unreachable: with ``connect`` or ``timeout``.
    """
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - IPv6
    plain = socket.socket(family, socket.SOCK_STREAM)
    plain.settimeout(0)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(plain, (str(address), port))
    except BaseException as error:
        plain.close()
        if isinstance(error, TimeoutError):
            raise Unreachable("timeout", f"no connection to {host} port {port}") from None
        if isinstance(error, OSError):
            raise Unreachable("connect", f"{host} port {port}: {_reason(error)}") from None
        raise
    return plain


async def begin(
    plain: socket.socket, peer: str, *, tls: ssl.SSLContext | None, host: str
) -> Connection:
    """Begin to speak over a socket; with TLS, certificate and server name are those of ``host``.

    Raises:
        Unreachable: with ``tls``; the socket is closed then.
    """
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(peer), sock=plain, ssl=tls, server_hostname=host if tls else None
        )
    except BaseException as error:
        plain.close()
        if isinstance(error, OSError):
            raise Unreachable("tls", f"{host}: {_reason(error)}") from None
        raise
    return connection


def _reason(error: OSError) -> str:
    """Find the words of the operating system or of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if error.errno:
        return os.strerror(error.errno).lower()
    return "the connection was broken off"
