"""Real servers on loopback that say what a test tells them to, and how tests call them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.platform.http import (
    Answer,
    Destination,
    Outbound,
    Resolver,
    Unreachable,
    Zone,
    parse_destination,
)
from app.settings import Settings

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = Settings(internal_networks=(ip_network("127.0.0.1/32"), ip_network("127.0.0.2/32")))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Peer:
    """A listening socket, and what it has seen so far."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    server_names: list[str] = field(default_factory=list)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request by its Content-Length; empty when the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return b""
    (length,) = (
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def peer(
    talk: Talk | bytes = OK, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """Serve on a free port: bytes answer every request of a connection; a talk does as it likes."""
    seen = Peer()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        seen.connections += 1
        with suppress(OSError, asyncio.CancelledError):
            if isinstance(talk, bytes):
                while request := await read_request(reader):
                    seen.requests.append(request)
                    writer.write(talk)
                    await writer.drain()
            else:
                await talk(reader, writer)
        writer.close()
        running.discard(task)

    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: seen.server_names.append(str(name))
    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in [*running]:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


def at(receiver: Peer, *, host: str = "127.0.0.1", scheme: str = "http") -> Destination:
    """Name a peer as a destination of the internal zone."""
    return parse_destination(f"{scheme}://{host}:{receiver.port}/hook", Zone.INTERNAL, LOOPBACK)


def answering(*answers: str) -> Resolver:
    """Look every name up as these addresses."""

    async def look_up(_host: str) -> Sequence[str]:
        return answers

    return look_up


async def post(
    client: Outbound, destination: Destination, body: bytes = b"{}", *, deadline: float = 5
) -> Answer:
    """Post as deliveries do."""
    return await client.post(destination, body, {"webhook-id": "1"}, deadline=deadline)


async def failing(
    client: Outbound, destination: Destination, body: bytes = b"{}", *, deadline: float = 5
) -> Unreachable:
    """Post, and see it fail without telling the path."""
    with pytest.raises(Unreachable) as caught:
        await post(client, destination, body, deadline=deadline)
    assert "/hook" not in str(caught.value)
    return caught.value


def saying(*parts: bytes) -> Talk:
    """Read one request, say these bytes, hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()

    return talk


def endless(first: bytes, again: bytes, *, pause: float = 0) -> Talk:
    """Read one request, then never stop talking."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(first)
        while True:
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(pause)

    return talk


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        """Make its key and its own certificate; files go to ``folder``."""
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._own = self._certify(self._name, self._key, days=1, names=None)

    def client(self) -> ssl.SSLContext:
        """Make a context that trusts this authority and no other."""
        pem = self._own.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def written(self) -> Path:
        """Write its own certificate to a file, as a system's list of authorities."""
        path = self._folder / "authority.pem"
        path.write_bytes(self._own.public_bytes(serialization.Encoding.PEM))
        return path

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """Make a server's context with a certificate for these names; negative days: expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certify(x509.Name([]), key, days=days, names=names)
        path = self._folder / f"{names[0]}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certify(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: int,
        names: tuple[str, ...] | None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        )
        if names is not None:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]), critical=True
            )
        return builder.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
