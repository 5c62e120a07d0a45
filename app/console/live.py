"""Pages that change while they are looked at: server-sent events, bounded in number and time."""

import asyncio
import time
from collections.abc import AsyncIterator

from app.platform.problems import Problem

_EVERY_SECONDS = 0.25
_LAST_SECONDS = 60
_AT_ONCE = 500


class TooManyWatchers(Problem):
    """Too many pages are being watched live in this process.

    The page shows how it stands; load it again.
    """

    type = "too-many-watchers"
    title = "Too many pages are watched live"
    status = 503


class Streams:
    """The live pages of one process, which end with it."""

    def __init__(self) -> None:
        """Begin with none."""
        self.open = 0
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Let all of them end, for the process is about to."""
        self._ended.set()

    def require_room(self) -> None:
        """See that there is room for one more.

        Raises:
            TooManyWatchers: there is none.
        """
        if self.open >= _AT_ONCE:
            raise TooManyWatchers("Too many pages are watched live; load this one again.")

    async def pause(self) -> bool:
        """Wait for a moment; tells whether to go on."""
        try:
            await asyncio.wait_for(self._ended.wait(), _EVERY_SECONDS)
        except TimeoutError:
            return True
        return False


async def say_until(streams: Streams) -> AsyncIterator[None]:
    """Give the turns of one live page: one at once, then four a second for a minute."""
    ends = time.monotonic() + _LAST_SECONDS
    streams.open += 1
    try:
        while True:
            yield
            if time.monotonic() > ends or not await streams.pause():
                return
    finally:
        streams.open -= 1


def event(text: str) -> bytes:
    """Write text as one server-sent event."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"{lines}\n".encode()
