"""The feed: the next entries for a database that pulls, at once or when they come."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.journal import (
    Cursor,
    FollowerState,
    Lane,
    cursor_at,
    find_window,
    read_followers,
    read_head,
    resolve,
)
from app.parties import Directory, HeldKey
from app.platform.db import Database, Unavailable
from app.platform.logs import get_logger
from app.platform.refusals import NotFound
from app.points import PointKeys

from .endpoints import find_endpoint
from .rendering import Form, render_entries

SNAPSHOT = "/v1/snapshot"
LATEST = "latest"
"""The cursor that means: from now."""
_PULSE_SECONDS = 0.05
_AWAY_SECONDS = 1.0
_WINDOWS = 10
"""Windows of the journal that one request looks through for entries that concern it."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Feed:
    """Entries as they are shown, each as JSON, and the cursor to go on from."""

    entries: list[bytes]
    next_cursor: str
    has_more: bool
    head: int

    @property
    def body(self) -> bytes:
        """Write it as the wire shows it."""
        return b'{"entries":[%s],"next_cursor":"%s","has_more":%s,"head":%d}' % (
            b",".join(self.entries),
            self.next_cursor.encode(),
            b"true" if self.has_more else b"false",
            self.head,
        )


class HeadWatch:
    """Tells the long polls of one process when the journal has grown; looks only while they wait.

    ``ended``: the process is about to end, and nobody may wait any more.
    """

    def __init__(self, database: Database) -> None:
        """Take the database; nothing is read before somebody waits."""
        self._database = database
        self._position = 0
        self._waiting = 0
        self._grown = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.ended = False

    async def beyond(self, position: int, *, seconds: float) -> None:
        """Wait until the journal is longer than a position, the time is up, or the process ends."""
        deadline = time.monotonic() + seconds
        self._waiting += 1
        try:
            if self._looking is None:
                self._looking = asyncio.create_task(self._look())
            while self._position <= position and not self.ended:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._grown.wait(), left)
        finally:
            self._waiting -= 1

    def end(self) -> None:
        """Let everybody go who waits, for the process is about to end."""
        self.ended = True
        self._grown.set()

    async def _look(self) -> None:
        try:
            while self._waiting and not self.ended:
                await self._look_once()
        finally:
            self._looking = None

    async def _look_once(self) -> None:
        try:
            async with self._database.reading() as session:
                position = (await read_head(session)).position
        except Unavailable as error:
            log.warning("long polls wait for the database", reason=error.detail)
            await asyncio.sleep(_AWAY_SECONDS)
            return
        if position != self._position:
            self._position = position
            self._grown.set()
            self._grown = asyncio.Event()
        await asyncio.sleep(_PULSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Reader:
    """What the feed of one process needs to read and show entries."""

    database: Database
    keys: PointKeys
    directory: Directory
    watch: HeadWatch
    key: HeldKey

    async def read(
        self, follower: int, *, cursor: str | None, limit: int, wait: float, lane: Lane | None
    ) -> Feed:
        """Read the entries after a cursor; with a wait, not before there is one or time is up.

        No connection is held while it waits.

        Raises:
            BadCursor, JournalForked, CursorExpired: the cursor leads nowhere.
            NotFound: the database was deleted.
            Unauthenticated: the key ended while it waited.
        """
        deadline = time.monotonic() + wait
        while True:
            feed, position = await self._read_now(follower, cursor, limit, lane)
            left = deadline - time.monotonic()
            if feed.entries or feed.has_more or left <= 0:
                return feed
            cursor = feed.next_cursor
            await self.watch.beyond(position, seconds=left)
            if self.watch.ended:
                return feed
            await self.key.require()

    async def _read_now(
        self, follower: int, cursor: str | None, limit: int, lane: Lane | None
    ) -> tuple[Feed, int]:
        async with self.database.reading() as session:
            state = await read_follower(session, follower)
            endpoint = await find_endpoint(session, self.keys.vault, follower)
            if cursor is None or cursor == LATEST:
                head = await read_head(session)
                position = 0 if cursor is None else head.position
            else:
                position, head = await resolve(
                    session, Cursor.parse(cursor), generation=state.generation, snapshot=SNAPSHOT
                )
            for _ in range(_WINDOWS):
                window = await find_window(
                    session,
                    state.scope,
                    after=position,
                    head=head.position,
                    most=limit,
                    live=lane is Lane.LIVE,
                )
                position = window.upto
                if window.positions or position >= head.position:
                    break
            entries = await render_entries(
                session,
                self.keys,
                self.directory,
                window.positions,
                form=Form(endpoint.way.identifier_format, endpoint.identifier_key),
                media=state.scope.media,
            )
            next_cursor = await cursor_at(session, head, state.generation, position)
        more = position < head.position
        return Feed(entries, str(next_cursor), more, head.position), position


async def read_follower(session: AsyncSession, follower: int) -> FollowerState:
    """Read where a database stands.

    Raises:
        NotFound: it was deleted.
    """
    found = await read_followers(session, [follower])
    if follower not in found:
        raise NotFound("This database is registered no more.")
    return found[follower]
