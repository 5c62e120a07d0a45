"""A way to PostgreSQL that a test can cut, as a network does."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import make_url

PORT = 5432


class Bridge:
    """Carries connections to PostgreSQL while it stands; a cut ends all, and refuses more."""

    def __init__(self, url: str) -> None:
        """Take the address of the database itself."""
        self._url = make_url(url)
        self._stands = True
        self._carrying: set[asyncio.StreamWriter] = set()
        self.url = ""

    def cut(self) -> None:
        """End every connection and let none through any more."""
        self._stands = False
        for writer in self._carrying:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if not self._stands:
            writer.transport.abort()
            return
        host = self._url.query.get("host")
        port = self._url.port or PORT
        if isinstance(host, str):
            there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            there = await asyncio.open_connection(self._url.host, port)
        self._carrying |= {writer, there[1]}
        await asyncio.gather(_pour(reader, there[1]), _pour(there[0], writer))
        self._carrying -= {writer, there[1]}

    def through(self, folder: str) -> None:
        """Name the address by which the bridge is reached."""
        url = self._url.set(host=None, port=None, query={"host": folder})
        self.url = url.render_as_string(hide_password=False)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


@asynccontextmanager
async def bridge(url: str) -> AsyncIterator[Bridge]:
    """Build a bridge to a database, on a socket of its own."""
    with tempfile.TemporaryDirectory(prefix="optout-bridge-") as folder:
        built = Bridge(url)
        built.through(folder)
        path = Path(folder) / f".s.PGSQL.{PORT}"
        server = await asyncio.start_unix_server(built.carry, path)
        try:
            yield built
        finally:
            server.close()
            built.cut()
            await server.wait_closed()
