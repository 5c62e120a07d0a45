"""Turns: how many requests one worker has under way, in all and to one host.

Who waits for a host holds no slot, so that a host that hangs holds up its own databases alone.
"""

import asyncio
from types import TracebackType
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from app.settings import Settings

_PORTS = {"http": 80, "https": 443}


class Turn:
    """What one courier waits for before each request: first its host, then a slot."""

    def __init__(self, host: asyncio.Semaphore, slots: asyncio.Semaphore) -> None:
        """Wait for nothing yet."""
        self._host = host
        self._slots = slots

    async def __aenter__(self) -> None:
        """Wait for a turn."""
        await self._host.acquire()
        try:
            await self._slots.acquire()
        except BaseException:
            self._host.release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the turn to the next."""
        self._slots.release()
        self._host.release()


class Turns:
    """The turns of one worker; a host is a name or an address as it stands in a URL, and a port."""

    def __init__(self, settings: Settings) -> None:
        """Have nothing under way."""
        self._slots = asyncio.Semaphore(settings.delivery_slots)
        self._per_host = settings.delivery_per_host
        self._hosts: WeakValueDictionary[tuple[str | None, int | None], asyncio.Semaphore]
        self._hosts = WeakValueDictionary()

    def at(self, url: str | None) -> Turn:
        """Make what a courier for this URL waits for."""
        parts = urlsplit(url or "")
        key = (parts.hostname, parts.port or _PORTS.get(parts.scheme))
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = asyncio.Semaphore(self._per_host)
        return Turn(host, self._slots)
