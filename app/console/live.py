"""Pages that change while they are looked at: server-sent events, bounded in number and time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import UUID

from app.accounts import present_sessions
from app.platform.clock import now
from app.platform.db import Database, Unavailable
from app.platform.problems import Problem

_EVERY_SECONDS = 0.25
_LAST_SECONDS = 60
_AT_ONCE = 500
_SESSIONS_EVERY = 2.0


class TooManyWatchers(Problem):
    """Too many pages are being watched live in this process.

    The page shows how it stands; load it again.
    """

    type = "too-many-watchers"
    title = "Too many pages are watched live"
    status = 503


class Streams:
    """The live pages of one process, which end with it, or with the session of who looks.

    Whether the sessions still stand is asked once every two seconds for all pages together, and
    only while somebody looks.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.open = 0
        self._ended = asyncio.Event()
        self._sessions: Counter[UUID] = Counter()
        self._over: frozenset[UUID] = frozenset()
        self._nobody = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

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

    def is_over(self, session: UUID) -> bool:
        """Tell whether a session that is held was ended, or was when it was last asked for."""
        return session in self._over

    @contextmanager
    def holding(self, database: Database, session: UUID) -> Iterator[None]:
        """Have a session looked after while a page of it is open."""
        self._sessions[session] += 1
        self._nobody.clear()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(database))
        try:
            yield
        finally:
            self._sessions -= Counter([session])
            if not self._sessions:
                self._nobody.set()

    async def _ask(self, database: Database) -> None:
        while self._sessions:
            held = frozenset(self._sessions)
            try:
                async with database.reading() as session:
                    self._over = held - await present_sessions(session, held, at=now())
            except Unavailable:
                # The pages ask the same database for what they show, and end by that.
                self._over = frozenset()
            try:
                await asyncio.wait_for(self._nobody.wait(), _SESSIONS_EVERY)
            except TimeoutError:
                continue


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


async def say_while_signed_in(
    streams: Streams, database: Database, session: UUID
) -> AsyncIterator[None]:
    """Give the turns of a live page of somebody who signed in, until their session is over."""
    with streams.holding(database, session):
        async for _ in say_until(streams):
            if streams.is_over(session):
                return
            yield


TOLD = b"event: told\ndata: all\n\n"
"""What ends a live page for good: everybody was told, and it need not ask any more."""


def event(text: str) -> bytes:
    """Write text as one server-sent event."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"{lines}\n".encode()
